//! A node among others: the network thread, the head wherever it runs, leases for owners elsewhere, connections between processes of
//! different machines, and objects from there.

mod certificates;
mod come_back;
mod connections;
mod control_child;
mod control_process;
mod drain;
mod draining;
mod early_ask;
mod enter;
mod from_node;
mod given_up;
mod incoming;
mod lease_desk;
mod leaving;
mod lifetimes;
mod log_room;
mod logs;
mod losses;
mod near;
mod nodes;
mod objects;
mod pending;
mod registration;
mod starter;
mod state;
mod to_node;
mod view;
mod watch;

pub(crate) use come_back::come_back;
pub(crate) use drain::hex_bytes;
pub(crate) use enter::Entrance;
pub(crate) use given_up::GivenUp;
pub(crate) use starter::Starter;
pub(crate) use state::{CONTROL, Cluster, NETWORK};
