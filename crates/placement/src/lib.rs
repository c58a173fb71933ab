//! Where things go: a view of the nodes of a cluster, and the policies that choose among them.
//!
//! Knows nothing of leases, queues, processes or sockets: whoever decides keeps a `View` up to date and asks it. Its laws:
//! - **VIEW-1** what was asked of a node and not answered counts as taken, whatever the node last reported.
//! - **VIEW-2** a node that is gone or that drains is never picked.
//! - **PACK-1** bundles are placed only where their amounts fit together, STRICT ones as they say, or none at all.
#![forbid(unsafe_code)]

mod defects;
mod demand;
mod explain;
mod index;
mod labels;
mod node_state;
mod pack;
mod pack_greedy;
mod pack_matching;
mod pick;
mod pick_for_actor;
mod problem;
mod seat;
mod view;

#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use defects::ViewDefects;
pub use demand::{Demand, GroupPart, MARKER, MARKERS, NEAR_NODE, Wishes, describe, group_name, group_of, node_id};
pub use labels::{Labels, is_met};
pub use node_state::NodeState;
pub use pack::PackFailure;
pub use pick::Pick;
pub use pick_for_actor::ActorPlace;
pub use problem::{PackRequest, Strategy};
pub use seat::Seat;
pub use view::{Delta, View};
