//! One broken law at one place.

use std::fmt;

/// What is wrong, where, and what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// Name of the law.
    pub law: &'static str,
    /// File, relative to the root.
    pub path: String,
    /// Line from 1; 0 for the file as a whole.
    pub line: usize,
    /// What in the file, as the allowlist names it.
    pub item: String,
    /// The measured amount, for laws that measure.
    pub amount: usize,
    /// A sentence for a person.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path)?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        write!(formatter, ": {} [{}]", self.message, self.law)
    }
}
