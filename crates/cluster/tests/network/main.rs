//! Networks of one cluster in one process, over loopback.

mod common;
mod heads;
mod nodes;
mod ports;
