//! What the law on headers refuses.

use super::check;
use crate::tidy::sample::{settings, tree};

#[test]
fn a_file_must_open_with_words() {
    let count = |text: &str| check(&tree("mind", &[("src/a.rs", text)]), &settings()).len();
    assert_eq!(count("//! Owns the queue.\nfn f() {}"), 0);
    assert_eq!(count("fn f() {}"), 1);
    assert_eq!(count("// Owns the queue.\nfn f() {}"), 1);
    assert_eq!(count("//!\nfn f() {}"), 1);
}
