//! What each fuzz target does with its bytes. A target fails by a panic: in the parser, or in a check of what it accepted.
//!
//! These are all the readers of bytes that come from another process: frames, a task's arguments, a reply's results, errors in place of
//! values, the flight recorder of a dead worker, and what workers print.
#![forbid(unsafe_code)]

mod error_value;
mod frame_reader;
mod log_lines;
mod recorder;
mod task_frames;

// The parsers by kind are those of the wire crate's own tests.
#[path = "../../crates/wire/tests/parsers/mod.rs"]
mod parsers;

// The daemon's reader of workers' output, private there.
#[allow(dead_code)]
#[path = "../../crates/node/src/log_tail/lines.rs"]
mod lines;

pub use error_value::error_value;
pub use frame_reader::frame_reader;
pub use log_lines::log_lines;
pub use recorder::recorder;
pub use task_frames::task_frames;
