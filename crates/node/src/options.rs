//! What the environment says.

use std::path::PathBuf;

/// The folder that a variable names; `None` when it is not set or empty.
pub(crate) fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What a variable says; empty when it is not set.
pub(crate) fn text(variable: &str) -> String {
    std::env::var(variable).unwrap_or_default()
}
