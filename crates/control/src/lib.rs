//! The control service: what the head of a cluster does with what its nodes tell it.
//!
//! `Head` knows no sockets, files or clocks: messages go in, messages for nodes come out. A node that is its own cluster calls it directly.
#![forbid(unsafe_code)]

mod head;
pub mod json;
mod translate;

pub use head::{Head, Out};
pub use translate::{
    actor_id, actor_spec, amounts, death_from_wire, death_to_wire, group_id, group_spec, resource_set, worker_id,
};
