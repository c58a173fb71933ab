//! What the law on layers refuses.

use super::check;
use crate::tidy::sample::{package, settings};
use crate::tree::Tree;

fn items(packages: Vec<crate::tree::Package>) -> Vec<String> {
    let tree = Tree { packages, ..Tree::default() };
    check(&tree, &settings()).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn allowed_edges_pass() {
    let mind = package("mind", &[], &[("indexmap", false, false)]);
    let hand = package("hand", &[], &[("mind", true, false)]);
    assert!(items(vec![mind, hand]).is_empty());
}

#[test]
fn an_edge_upwards_is_refused_for_tests_of_lower_tiers_too() {
    let mut lower = settings();
    lower.tiers.push("proofs".to_owned());
    let mind = package("mind", &[], &[("hand", true, true)]);
    let tree = Tree { packages: vec![mind, package("hand", &[], &[])], ..Tree::default() };
    assert_eq!(check(&tree, &lower).len(), 1);
}

#[test]
fn an_edge_that_is_not_listed_is_refused() {
    let mut closed = settings();
    closed.crates.get_mut("hand").expect("the sample lists it").may_use.clear();
    let packages = vec![package("mind", &[], &[]), package("hand", &[], &[("mind", true, false)])];
    assert_eq!(check(&Tree { packages, ..Tree::default() }, &closed).len(), 1);
}

#[test]
fn crates_without_entry_and_entries_without_crate_are_refused() {
    assert_eq!(items(vec![package("stranger", &[], &[])]), ["stranger", "hand", "mind"]);
}

#[test]
fn a_manifest_without_the_workspace_lints_is_refused() {
    let mut mind = package("mind", &[], &[]);
    mind.manifest = "[package]".to_owned();
    assert_eq!(items(vec![mind, package("hand", &[], &[])]), ["mind"]);
}
