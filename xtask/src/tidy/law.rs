//! What a law is.

use crate::settings::Settings;
use crate::tidy::Finding;
use crate::tree::Tree;

/// One law: a name for the allowlist, a sentence, and the check.
pub struct Law {
    /// Name, as findings and the allowlist write it.
    pub name: &'static str,
    /// What must hold.
    pub says: &'static str,
    /// Finds where it does not.
    pub check: fn(&Tree, &Settings) -> Vec<Finding>,
}
