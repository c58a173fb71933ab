//! Explains whatever goes by an id, a name or a code: which questions are asked, in which order, and how the answers read.
//!
//! The command and the extension use it; each brings its own way of asking a daemon. What is told comes from there.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod causes;
mod render;

pub use answer::Ask;
pub use ask::explain;
pub use render::{needs, render};
