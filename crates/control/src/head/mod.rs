//! The head: every message of a node, what it changes, and what nodes are told.

mod actors;
mod apply;
mod asks;
mod attempts;
mod defects;
mod demand;
mod early;
mod explain;
mod fence_table;
mod fences;
mod groups;
mod groups_alone;
mod history;
mod invariants;
mod jobs;
mod lives;
mod messages;
mod news;
mod node_table;
mod nodes;
mod places;
mod placing;
mod plan;
mod probe;
mod queries;
mod questions;
mod resting;
mod returned;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod view_news;
mod waiters;

#[doc(hidden)]
pub use defects::HeadDefects;
pub use state::{Head, Out};
