//! What the law on invariants refuses.

use super::check;
use crate::tidy::sample::{settings, tree};

fn items(files: &[(&str, &str)]) -> Vec<String> {
    check(&tree("mind", files), &settings()).into_iter().map(|finding| finding.item).collect()
}

#[test]
fn a_declared_invariant_needs_a_test_that_names_it() {
    let header = ("src/a.rs", "//! Owns it.\n//!\n//! - **OWN-1** one owner, in UTF-8.\n");
    assert_eq!(items(&[header]), ["OWN-1"]);
    assert!(items(&[header, ("src/a/tests.rs", "//! Tests.\n// OWN-1\n")]).is_empty());
    assert!(items(&[header, ("src/b.rs", "//! B.\n#[test]\nfn own_1() {\n    // OWN-1\n}\n")]).is_empty());
}

#[test]
fn a_label_that_nobody_declared_is_refused_within_known_families() {
    let header = ("src/a.rs", "//! Owns it.\n//! LEASE-1: one lease.\nfn f() {} // LEASE-7, DISK-3\n");
    let test = ("src/a/tests.rs", "//! Tests.\n// LEASE-1\n");
    assert_eq!(items(&[header, test]), ["LEASE-7"]);
}

#[test]
fn a_declared_invariant_is_broken_by_a_planted_defect() {
    let files =
        [("src/a.rs", "//! Owns it.\n//! - **OWN-1** one owner.\n"), ("src/a/tests.rs", "//! Tests.\n// OWN-1\n")];
    let planted = |table: &'static str| {
        let mut settings = settings();
        settings.planting.crates.push("mind".to_owned());
        let table = ("src/planted.rs", table);
        check(&tree("mind", &[files[0], files[1], table]), &settings).len()
    };
    assert_eq!(planted("//! Defects.\nconst DEFECTS: &[&str] = &[];\n"), 1);
    assert_eq!(planted("//! Defects.\nconst DEFECTS: &[&str] = &[\"OWN-1\"];\n"), 0);
}
