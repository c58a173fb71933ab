//! The head: every message of a node, what it changes, and what nodes are told.

mod actors;
mod apply;
mod early;
mod groups;
mod jobs;
mod messages;
mod node_table;
mod nodes;
mod queries;
mod questions;
mod state;
#[cfg(test)]
mod tests;

pub use state::{Head, Out};
