//! The node daemon: it starts workers, connects processes with one another, and carries out what the brains decide.
//!
//! One thread, one epoll loop, non-blocking sockets. It listens nowhere: every socket is made here, or inherited from the driver.
//! It never unpickles anything and contains no Python.
#![deny(unsafe_code)]

mod connection;
mod death;
mod graveyard;
mod json;
mod log_tail;
mod on_actor_frame;
mod on_frame;
mod peers;
mod perform;
mod poller;
mod process;
mod recorder;
mod run_loop;
mod service;
mod shutdown;
mod start;
mod store_hook;
mod state_query;
mod translate;
mod worker_pool;

pub use start::run_inherited;
