//! What the law on purity refuses.

use super::check;
use crate::tidy::sample::{package, settings, tree};
use crate::tree::Tree;

fn items(text: &str) -> Vec<String> {
    check(&tree("mind", &[("src/a.rs", text)]), &settings()).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn files_runtimes_and_clocks_are_refused_however_they_are_named() {
    assert_eq!(items("use std::{collections::BTreeMap, fs::File};"), ["std::fs"]);
    assert_eq!(items("fn f() { let now = std::time::Instant::now(); }"), ["Instant::now"]);
    assert_eq!(items("fn f() { println!(\"{:?}\", Instant::now()); }"), ["Instant::now"]);
    assert_eq!(items("use tokio::sync::mpsc;"), ["tokio"]);
}

#[test]
fn tests_of_a_deciding_crate_may_use_files() {
    assert!(items("#[cfg(test)]\nmod tests {\n    use std::fs::File;\n}").is_empty());
}

#[test]
fn other_tiers_may_use_files() {
    assert!(check(&tree("hand", &[("src/a.rs", "use std::fs::File;")]), &settings()).is_empty());
}

#[test]
fn a_walk_over_a_hash_map_is_refused_and_a_lookup_is_not() {
    let state = "struct State { lives: HashMap<u8, u8>, order: Vec<u8> }\n";
    assert_eq!(items(&format!("{state}fn f(s: &State) {{ for life in &s.lives {{}} }}")), ["lives"]);
    assert_eq!(
        items(&format!("{state}fn f(s: &State) -> u8 {{ *s.lives.values().next().expect(\"one\") }}")),
        ["lives"]
    );
    assert!(items(&format!("{state}fn f(s: &State) {{ s.lives.get(&1); s.order.iter(); }}")).is_empty());
}

#[test]
fn a_dependency_from_outside_must_be_listed() {
    let mind = package("mind", &[], &[("indexmap", false, false), ("mio", false, false), ("tempfile", false, true)]);
    let found = check(&Tree { packages: vec![mind], ..Tree::default() }, &settings());
    assert_eq!(found.iter().map(|finding| finding.item.as_str()).collect::<Vec<_>>(), ["mio"]);
}
