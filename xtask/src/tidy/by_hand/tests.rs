//! What the law on calls by hand refuses.

use super::check;
use crate::settings::ByHandRule;
use crate::tidy::sample::{settings, tree};

fn items(file: &str, text: &str) -> Vec<String> {
    let mut settings = settings();
    settings.by_hand.push(ByHandRule {
        calls: vec!["thread::spawn".to_owned(), "env::var".to_owned()],
        allowed: vec!["crates/hand/src/door.rs".to_owned()],
        instead: "use the door".to_owned(),
    });
    check(&tree("hand", &[(file, text)]), &settings).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn only_the_door_may_call() {
    let text = "fn f() { std::thread::spawn(|| ()); }";
    assert_eq!(items("src/a.rs", text), ["thread::spawn"]);
    assert!(items("src/door.rs", text).is_empty());
    assert!(items("tests/a.rs", text).is_empty());
}

#[test]
fn bringing_the_call_in_by_name_is_seen_too() {
    assert_eq!(items("src/a.rs", "use std::env::{self, var};"), ["env::var"]);
    assert_eq!(items("src/a.rs", "fn f() { println!(\"{:?}\", std::env::var(\"HOME\")); }"), ["env::var"]);
}
