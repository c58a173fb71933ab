//! What the laws are told about this project: `layers.toml` and `xtask/allow.toml` as plain data.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything in `layers.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Tiers from the lowest to the highest.
    pub tiers: Vec<String>,
    /// Crates by package name.
    pub crates: BTreeMap<String, CrateRule>,
    /// What the deciding crates may not touch.
    pub purity: PurityRule,
    /// Greatest lengths, in lines.
    pub lengths: LengthRule,
    /// Where `unsafe` may stand.
    pub unsafety: UnsafetyRule,
    /// Where defects are planted.
    #[serde(default)]
    pub planting: PlantingRule,
    /// Calls that have one door each.
    #[serde(default)]
    pub by_hand: Vec<ByHandRule>,
    /// Python packages and what each may import.
    #[serde(default)]
    pub python: BTreeMap<String, Vec<String>>,
}

/// A crate's place in the picture.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrateRule {
    /// One of the tiers.
    pub tier: String,
    /// Workspace crates that it may depend on.
    #[serde(default)]
    pub may_use: Vec<String>,
}

/// Law 8: which crates break invariants on purpose.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantingRule {
    /// Crates whose tables name, as a string of its own, each invariant that they break. With none, none has to be broken.
    pub crates: Vec<String>,
    /// Invariants that a simulator cannot break.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Law 2: what a deciding crate may not name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurityRule {
    /// Tiers whose crates must be pure.
    pub tiers: Vec<String>,
    /// Crates from the registry that a pure crate may depend on.
    pub externals: Vec<String>,
    /// Paths, or ends of paths, that a pure crate may not name.
    pub paths: Vec<String>,
}

/// Law 3: lengths in lines.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthRule {
    /// Any source file.
    pub file_lines: usize,
    /// Any function, from its signature to its closing brace.
    pub function_lines: usize,
    /// A crate's `lib.rs`.
    pub lib_lines: usize,
}

/// Law 6: files and folders where `unsafe` may stand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsafetyRule {
    /// Prefixes of paths.
    pub allowed: Vec<String>,
}

/// Law 7: calls that are made in few named files only.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHandRule {
    /// Ends of paths, such as `thread::spawn`.
    pub calls: Vec<String>,
    /// Prefixes of paths of the files that may make them.
    pub allowed: Vec<String>,
    /// What to do instead.
    pub instead: String,
}

/// `xtask/allow.toml`: what is known not to be clean yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowList {
    /// The exceptions.
    #[serde(default)]
    pub allow: Vec<Allowed>,
}

/// One exception.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Name of the law.
    pub law: String,
    /// File, relative to the root.
    pub path: String,
    /// What in the file: a function's name, a path, a label; empty for the file itself.
    #[serde(default)]
    pub item: String,
    /// The measured amount, for laws that measure.
    #[serde(default)]
    pub amount: usize,
    /// Why it stands.
    pub why: String,
}
