//! Watches what workers use of the memory: each against its limit, and all of them against the machine's.
//!
//! A thread of its own measures, so that a busy daemon does not delay it. A worker that has more than its lease may have it ends itself, at
//! once. When the node as a whole is nearly full it says so, and the node's brain chooses (`trygon_node_core::Event::MemoryPressure`).

mod books;
mod options;
mod pressure;
mod report;
mod thread;
mod watch;

pub(crate) use options::MemoryOptions;
pub(crate) use pressure::MEMORY;
pub(crate) use watch::MemoryWatch;
