//! Networks of one cluster in one process, over loopback.
#![allow(clippy::unwrap_used)]

mod common;
mod heads;
mod nodes;
mod ports;
