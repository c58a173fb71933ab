//! What the law on circles refuses.

use super::check;
use crate::tidy::sample::{settings, tree};

fn items(files: &[(&str, &str)]) -> Vec<String> {
    check(&tree("mind", files), &settings()).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn a_circle_of_files_is_named() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B; fn f() { crate::c::g(); }"),
        ("src/c.rs", "use crate::a::A; pub fn g() {}"),
    ];
    assert_eq!(items(&files), ["a b c"]);
    assert!(items(&files[..3]).is_empty());
}

#[test]
fn a_parent_may_reexport_its_children() {
    let files = [
        ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("src/a.rs", "pub struct A;"),
        ("src/b.rs", "use crate::A; pub struct B;"),
    ];
    assert!(items(&files).is_empty());
}

#[test]
fn a_circle_behind_reexports_is_seen() {
    let files = [
        ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("src/a.rs", "use crate::B; pub struct A;"),
        ("src/b.rs", "use crate::{A}; pub struct B;"),
    ];
    assert_eq!(items(&files), ["a b"]);
}

#[test]
fn a_parent_with_logic_that_its_child_uses_is_a_circle() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod b; use b::B; pub fn f() {}"),
        ("src/a/b.rs", "use crate::a::f; pub struct B;"),
    ];
    assert_eq!(items(&files), ["a a::b"]);
}

#[test]
fn reaching_for_the_parent_is_refused_outside_tests() {
    assert_eq!(items(&[("src/a.rs", "use super::B;")]), ["super::B"]);
    assert!(items(&[("src/a.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n}")]).is_empty());
    assert!(items(&[("src/a/tests.rs", "use super::*;")]).is_empty());
}
