//! Ends every process below this one, however it hides from its group.
#![forbid(unsafe_code)]

mod tree;

pub use tree::{descendants, end_descendants, end_marked, kill_descendants};
