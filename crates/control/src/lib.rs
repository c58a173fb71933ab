//! The control service: what the head of a cluster does with what its nodes tell it.
//!
//! `Head` knows no sockets, files or clocks: messages go in, messages for nodes come out. A node that is its own cluster calls it directly.
//! On a real head it is a process of its own ([`run`]), with a journal. The laws of that:
//! - **JOURNAL-1** an event is on disk before any effect of it leaves the process.
//! - **JOURNAL-2** what is loaded after any end is exactly a prefix of what was appended, and holds all that was acknowledged.
//! - **JOURNAL-3** an append that fails changes nothing, and may be tried again.
//! - **HEAR-1** what changes the state is taken in once, however often a node says it, and said again until it is kept.
//! - **FULL-1** where there is no room, who asks is refused with the place and what is free, or waits; nothing that was kept is lost, and
//!   questions are answered.
//! - **STREAM-2** what a node is told comes in order and without a gap, or its stream ends and it registers again.
//!
//! When a node is given up says `trygon_control_core::Presence` (STREAM-1, STREAM-3, NODE-1, NODE-2).
#![forbid(unsafe_code)]

mod connection;
mod engine;
mod full;
#[cfg(fuzzing)]
pub mod fuzz;
mod head;
pub mod journal;
pub mod json;
mod kinds;
mod lease_book;
mod leases;
mod link;
mod machine;
mod machine_of_head;
mod options;
mod parent;
mod process;
mod questions;
pub mod storage;
mod streams;
mod translate;

#[doc(hidden)]
pub use full::{FullDefects, sort_out};
#[doc(hidden)]
pub use head::HeadDefects;
pub use head::{Head, Out};
#[doc(hidden)]
pub use link::probe::{ProbedLink, ProbedStream, Taken, probe_link};
pub use machine::{Keep, Machine, Refusal, State};
pub use options::{ControlCertificate, ControlOptions};
pub use parent::{ControlSocket, Failed, Ready, Report};
pub use process::run;
pub use questions::Questions;
pub use translate::{
    actor_id, actor_spec, amounts, death_from_wire, death_to_wire, group_id, group_spec, resource_set, worker_id,
};
