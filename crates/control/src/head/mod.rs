//! The head: every message of a node, what it changes, and what nodes are told.

mod actors;
mod apply;
mod early;
mod groups;
mod jobs;
mod node_table;
mod nodes;
mod queries;
mod questions;
mod state;

pub use state::{Head, Out};
