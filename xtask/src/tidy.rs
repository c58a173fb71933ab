//! The laws, one file each, and the run over all of them.

mod allow_list;
mod by_hand;
mod cycles;
mod finding;
mod headers;
mod invariants;
mod law;
mod layers;
mod lengths;
mod purity;
mod python;
#[cfg(test)]
mod sample;
mod unsafety;

use crate::settings::{AllowList, Settings};
use crate::tree::{Tree, load, root};

pub use finding::Finding;
pub use law::Law;

/// All laws.
pub const LAWS: &[Law] = &[
    layers::LAW,
    purity::LAW,
    lengths::LAW,
    cycles::LAW,
    headers::LAW,
    unsafety::LAW,
    by_hand::LAW,
    invariants::LAW,
    python::LAW,
];

/// Checks a tree against all laws; what the allowlist excuses is left out, what it excuses needlessly is added.
pub fn run(tree: &Tree, settings: &Settings, allowed: &AllowList) -> Vec<Finding> {
    let mut findings: Vec<Finding> = LAWS.iter().flat_map(|law| (law.check)(tree, settings)).collect();
    findings = allow_list::apply(findings, allowed, tree.committed_allow_list.as_deref());
    findings.sort_by(|left, right| (&left.path, left.line).cmp(&(&right.path, right.line)));
    findings
}

/// Checks the workspace that this program was built in.
pub fn run_here() -> Result<Vec<Finding>, String> {
    let root = root();
    let text = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let settings = toml::from_str(&text("layers.toml")?).map_err(|error| format!("layers.toml: {error}"))?;
    let allowed = toml::from_str(&text("xtask/allow.toml")?).map_err(|error| format!("xtask/allow.toml: {error}"))?;
    Ok(run(&load(&root)?, &settings, &allowed))
}
