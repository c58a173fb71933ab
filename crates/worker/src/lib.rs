//! The runtime inside drivers and workers: sockets, waiting, and the thread that stands by. What is decided is in `worker-core`.
//!
//! The thread that calls does the I/O itself: it writes when it has enough or waits, and whoever waits reads for all ("poller").
//! One background thread writes and reads when nobody else does, so that nothing is stuck behind a computation. It never runs Python.
//!
//! One mutex guards the engine. Only non-blocking calls are made under it, and no foreign code runs under it; a thread that waits does so
//! in `epoll_wait` or on the condition variable, without it.
#![forbid(unsafe_code)]

mod answer;
mod background;
mod cancel;
mod clock;
mod completions;
mod concurrent;
mod connect;
mod control_frames;
mod copies;
mod credit;
mod engine;
mod execute;
#[cfg(fuzzing)]
pub mod fuzz;
mod known_death;
mod known_group;
mod launch;
mod link;
mod log_line;
mod lost;
mod mode;
mod objects;
mod options;
mod peer_frames;
mod perform;
mod placement_groups;
mod remote_peers;
mod replicas;
mod reply;
mod requests;
mod running;
mod runtime;
mod streams;
mod submit;
#[cfg(test)]
mod tests;
mod wait;
mod work;

pub use completions::CompletionQueue;
pub use connect::Setup;
pub use copies::{StoreError, Urgency};
pub use credit::{Credit, StreamKey};
pub use engine::{Engine, LeaseInfo};
pub use execute::{Finished, WorkerExit};
pub use known_group::GroupState;
pub use launch::{LaunchError, launch};
pub use link::{Definition, RetryRule};
pub use log_line::LogLine;
pub use objects::{StoredBytes, StoredWrite};
pub use replicas::KnownPlace;
pub use reply::{ReturnedValue, parse_returns};
pub use requests::{ActorRegistration, KeyValueAnswer, NamedActorInfo, RequestError};
pub use running::{CallKey, CancelListener};
pub use runtime::Runtime;
pub use submit::{FunctionExport, MethodExport};
pub use trygon_worker_core as core;
pub use wait::{LOOK_AGAIN, Outcome, Patience};
pub use work::{Call, Leave, Work};
