//! A node that was given up, as data.

/// Why a node is not of its cluster any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) reason: String,
    pub(crate) is_fenced: bool,
}
