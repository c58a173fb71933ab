//! What the law on lengths refuses.

use super::check;
use crate::tidy::sample::{python, settings, tree};

#[test]
fn long_files_are_measured() {
    let found = check(&tree("mind", &[("src/a.rs", &"//\n".repeat(11))]), &settings());
    assert_eq!(found.iter().map(|finding| finding.amount).collect::<Vec<_>>(), [11]);
    assert!(check(&tree("mind", &[("src/a.rs", &"//\n".repeat(10))]), &settings()).is_empty());
    assert_eq!(check(&python(&[("python/a.py", &"#\n".repeat(11))]), &settings()).len(), 1);
}

#[test]
fn library_roots_have_a_limit_of_their_own() {
    assert_eq!(check(&tree("mind", &[("src/lib.rs", &"//\n".repeat(6))]), &settings()).len(), 1);
}

#[test]
fn long_functions_are_named_and_their_comments_do_not_count() {
    let text = "/// One\n/// two\nfn short() {\n    a();\n    b();\n}\n";
    assert!(check(&tree("mind", &[("src/a.rs", text)]), &settings()).is_empty());
    let text = "impl S {\n    fn long() {\n        a();\n        b();\n        c();\n    }\n}\n";
    let found = check(&tree("mind", &[("src/a.rs", text)]), &settings());
    assert_eq!(found.iter().map(|finding| (finding.item.as_str(), finding.amount)).collect::<Vec<_>>(), [("long", 5)]);
}
