//! What the environment says.

use std::path::PathBuf;

/// The folder that a variable names; `None` when it is not set or empty.
pub(crate) fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
