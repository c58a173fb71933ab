//! Law 5: every Rust file opens by saying what it owns.

#[cfg(test)]
mod tests;

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::Tree;

/// The law.
pub(crate) const LAW: Law = Law { name: "headers", says: "every Rust file opens with `//!`", check };

fn check(tree: &Tree, _settings: &Settings) -> Vec<Finding> {
    let sources = tree.packages.iter().flat_map(|package| &package.sources);
    sources
        .filter(|source| {
            let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|words| words.trim().len() < 3)
        })
        .map(|source| Finding {
            law: LAW.name,
            path: source.path.clone(),
            line: 1,
            message: "the file does not open with `//!` and what it owns".to_owned(),
            ..Finding::default()
        })
        .collect()
}
