//! What the allowlist may and may not do.

use super::apply;
use crate::settings::{AllowList, Allowed};
use crate::tidy::Finding;

fn entry(amount: usize) -> Allowed {
    let (law, path, why) = ("lengths".to_owned(), "a.rs".to_owned(), "being split".to_owned());
    Allowed { law, path, amount, why, item: String::new() }
}

fn count(measured: Option<usize>, allowed: Option<usize>, committed: Option<&str>) -> usize {
    let finding = |amount| Finding { law: "lengths", path: "a.rs".to_owned(), amount, ..Finding::default() };
    let list = AllowList { allow: allowed.map(entry).into_iter().collect() };
    apply(measured.map(finding).into_iter().collect(), &list, committed).len()
}

#[test]
fn it_excuses_exactly_what_it_names() {
    assert_eq!(count(Some(600), Some(600), None), 0);
    assert_eq!(count(Some(601), Some(600), None), 2);
}

#[test]
fn an_entry_that_is_too_generous_or_needless_is_refused() {
    assert_eq!(count(Some(590), Some(600), None), 1);
    assert_eq!(count(None, Some(600), None), 1);
}

#[test]
fn it_may_not_grow_from_commit_to_commit() {
    let before = "[[allow]]\nlaw = \"lengths\"\npath = \"a.rs\"\namount = 550\nwhy = \"being split\"\n";
    assert_eq!(count(Some(600), Some(600), Some(before)), 1);
    assert_eq!(count(Some(550), Some(550), Some(before)), 0);
    assert_eq!(count(Some(600), Some(600), Some("")), 1);
}
