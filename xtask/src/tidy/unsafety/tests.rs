//! What the law on `unsafe` refuses.

use super::check;
use crate::tidy::sample::{settings, tree};

fn count(package: &str, file: &str, text: &str) -> usize {
    check(&tree(package, &[(file, text)]), &settings()).len()
}

#[test]
fn other_files_may_not_hold_it_even_in_a_macro_or_with_a_reason() {
    assert_eq!(count("hand", "src/other.rs", "// SAFETY: none\nfn f() { unsafe { g() } }"), 1);
    assert_eq!(count("hand", "src/other.rs", "fn f() { call!(unsafe { g() }) }"), 1);
    assert_eq!(count("hand", "src/other.rs", "// unsafe in words\nfn unsafe_code() {}"), 0);
}

#[test]
fn a_reason_must_stand_above() {
    assert_eq!(count("hand", "src/raw.rs", "fn f() { unsafe { g() } }"), 1);
    assert_eq!(count("hand", "src/raw.rs", "fn f() {\n    // SAFETY: g has no conditions.\n    unsafe { g() }\n}"), 0);
}

#[test]
fn every_other_root_forbids_it() {
    assert_eq!(count("mind", "src/lib.rs", "//! Owns nothing.\n"), 1);
    assert_eq!(count("mind", "src/lib.rs", "//! Owns nothing.\n#![forbid(unsafe_code)]\n"), 0);
    assert_eq!(count("hand", "src/lib.rs", "//! Owns nothing.\n"), 0);
}
