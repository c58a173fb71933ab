//! What a worker's main thread is given to do.

use crate::link::Definition;
use std::sync::Arc;
use trygon_wire::{control, task};
use trygon_worker_core::{PeerIndex, SmallBytes};

/// Something for the worker's main thread.
#[derive(Debug)]
pub enum Work {
    /// A task or an actor call.
    Call(Call),
    /// Become this actor.
    StartActor(Box<control::StartActor>),
    /// Exit, for this reason.
    Exit(String),
    /// The call with this number, which an event loop runs, was cancelled.
    Cancel(u32),
    /// Leave at once: a call in another thread ended the process.
    Leave(Leave),
}

/// How a process ends by itself.
#[derive(Debug)]
pub struct Leave {
    /// `user_exit`, `max_calls`, ...
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The exit code.
    pub code: i32,
}

/// A task as it came.
#[derive(Debug)]
pub struct Call {
    /// Its number in this process, from when it runs; 0 before.
    pub tag: u32,
    /// Who sent it.
    pub peer: PeerIndex,
    /// Its fixed part.
    pub push: task::Push,
    /// Whether it is an actor's.
    pub is_actor_call: bool,
    /// Whether it is tried again when this process dies.
    pub is_retriable: bool,
    /// The function or method.
    pub definition: Arc<Definition>,
    /// Dependencies and arguments.
    pub payload: SmallBytes,
}

/// What the main thread runs now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Executing {
    pub(crate) depth: u16,
}
