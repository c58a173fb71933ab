//! Small trees for the tests of the laws.

use std::collections::BTreeMap;

use crate::settings::{CrateRule, LengthRule, PurityRule, Settings, UnsafetyRule};
use crate::tree::{Dependency, Package, Source, Tree};

/// Settings of a project with two tiers: pure `brains`, and `hands` above them.
pub(crate) fn settings() -> Settings {
    let rule = |tier: &str, may_use: &[&str]| CrateRule {
        tier: tier.to_owned(),
        may_use: may_use.iter().map(|name| (*name).to_owned()).collect(),
    };
    Settings {
        tiers: vec!["brains".to_owned(), "hands".to_owned()],
        crates: BTreeMap::from([
            ("mind".to_owned(), rule("brains", &[])),
            ("hand".to_owned(), rule("hands", &["mind"])),
        ]),
        purity: PurityRule {
            tiers: vec!["brains".to_owned()],
            externals: vec!["indexmap".to_owned()],
            paths: vec!["tokio".to_owned(), "std::fs".to_owned(), "Instant::now".to_owned()],
        },
        lengths: LengthRule { file_lines: 10, function_lines: 4, lib_lines: 5 },
        unsafety: UnsafetyRule { allowed: vec!["crates/hand/src/raw.rs".to_owned()] },
        ..Settings::default()
    }
}

/// A tree with one package, `crates/<name>`, of the given files.
pub(crate) fn tree(name: &str, files: &[(&str, &str)]) -> Tree {
    Tree { packages: vec![package(name, files, &[])], ..Tree::default() }
}

/// A package of the given files, relative to its folder, and dependencies (name, member, dev).
pub(crate) fn package(name: &str, files: &[(&str, &str)], dependencies: &[(&str, bool, bool)]) -> Package {
    let folder = format!("crates/{name}");
    let sources = files
        .iter()
        .map(|(path, text)| Source::rust(&format!("{folder}/{path}"), text).expect("the sample parses"))
        .collect();
    let dependencies = dependencies
        .iter()
        .map(|(name, is_member, is_dev)| Dependency {
            name: (*name).to_owned(),
            is_member: *is_member,
            is_dev: *is_dev,
        })
        .collect();
    Package { name: name.to_owned(), folder, dependencies, manifest: "[lints]\nworkspace = true\n".to_owned(), sources }
}

/// A tree of Python files.
pub(crate) fn python(files: &[(&str, &str)]) -> Tree {
    let python = files.iter().map(|(path, text)| Source::plain(path, text)).collect();
    Tree { python, ..Tree::default() }
}
