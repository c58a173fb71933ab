//! What each fuzz target does with its bytes. A target fails by a panic: in the parser, or in a check of what it accepted.
//!
//! These are all the readers of bytes that come from another process, another machine or a file.
#![forbid(unsafe_code)]

mod certificates;
mod cluster_messages;
mod error_value;
mod frame_reader;
mod head;
mod input;
mod join;
mod journal_file;
mod log_lines;
mod names;
mod node;
mod preamble;
mod process;
mod pulls;
mod recorder;
mod records;
mod sessions;
mod snapshot;
mod store;
mod task_frames;
mod tls;
mod transfer;
pub mod universe;

// The parsers by kind are those of the wire crate's own tests.
#[path = "../../crates/wire/tests/parsers/mod.rs"]
mod parsers;

// Readers that are private where they are, and stand alone.
#[allow(dead_code)]
#[path = "../../crates/node/src/log_tail/lines.rs"]
mod lines;
#[allow(dead_code)]
#[path = "../../crates/cluster/src/sessions.rs"]
mod session_table;
#[allow(dead_code)]
#[path = "../../crates/store/src/transfer/frames.rs"]
mod transfer_frames;

/// Every target by its name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("certificates", certificates::certificates),
    ("cluster_messages", cluster_messages::cluster_messages),
    ("error_value", error_value::error_value),
    ("frame_reader", frame_reader::frame_reader),
    ("head", head::head),
    ("join", join::join),
    ("journal_file", journal_file::journal_file),
    ("log_lines", log_lines::log_lines),
    ("names", names::names),
    ("node", node::node),
    ("preamble", preamble::preamble),
    ("process", process::process),
    ("pulls", pulls::pulls),
    ("recorder", recorder::recorder),
    ("records", records::records),
    ("sessions", sessions::sessions),
    ("snapshot", snapshot::snapshot),
    ("store", store::store),
    ("task_frames", task_frames::task_frames),
    ("tls", tls::tls),
    ("transfer", transfer::transfer),
];
