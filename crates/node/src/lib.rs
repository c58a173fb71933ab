//! The node daemon: it starts workers, connects processes with one another, and carries out what the brains decide.
//!
//! One thread, one epoll loop, non-blocking sockets. The daemon of one program listens nowhere: every socket is made here, or inherited from
//! the driver. One that stays (`session`) has a socket for drivers in its folder, and one TCP port, which `trygon_cluster` serves on a thread
//! of its own (`cluster`). It never unpickles anything and contains no Python.
//!
//! - **FLOW-1** what waits to be sent is bounded for each process: one that does not read any more is cut off, and lines for a driver that is
//!   behind wait with their worker, where they are bounded and what is dropped is counted.
#![deny(unsafe_code)]

mod about;
mod attach;
mod cluster;
mod connection;
mod death;
mod end_job;
mod explain;
mod graveyard;
mod group_leases;
mod head_link;
mod head_place;
mod job;
mod jobs;
mod kinds;
mod known_groups;
mod log_tail;
mod make_session;
mod memory_watch;
mod on_frame;
mod on_head_frame;
mod on_head_message;
mod on_job;
mod options;
mod peers;
mod perform;
mod placed;
mod poller;
mod process;
mod recorder;
mod run_loop;
mod service;
mod session;
mod shutdown;
mod signals;
mod spill_options;
mod start;
mod start_session;
mod state_query;
mod store_hook;
mod translate;
mod worker_pool;

pub use session::folder;
pub use start::run_inherited;
pub use start_session::{run_session, socket_from_stdin};
