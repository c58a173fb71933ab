//! What a process decides about the tasks and objects it owns, and about those it borrows. No I/O, no clock, no threads.
//!
//! Per-task work is plain methods on plain data, called inline by the thread that submits or polls: one table lookup by slot, no hashing,
//! no allocation for a small task. What is rare comes out as an [`Effect`]. The same structs run in the simulator.
//!
//! Invariants, checked by [`Core::sanity_check`]:
//! - **OWN-1** an object has one owner: it lies in the table of the process whose incarnation its id carries, and nowhere else.
//! - **OWN-2** the owner knows value, borrowers and uses: counts never go below zero and sum up to what holds them.
//! - **OWN-3** an object without local reference, use, borrower or pending task is not in the table.
//! - **OWN-4** a reference inside a value or an argument counts until its receiver has reported; inside a stored object it is an owner's edge.
//! - **OWN-5** when an owner dies, every borrowed object of it holds an error.
//! - **OWN-6** the task of a stored object is kept while the object is referred to, or is an argument of a kept task, within a bound of bytes;
//!   a lost object is looked for elsewhere, or made again by its task, its lost arguments first.
//! - **OWN-7** a reply of another attempt changes nothing.
//! - **CANCEL-1** a cancelled task is not sent, sent again or retried; what cannot be taken back ends by its worker.
//! - **OWN-8** of a dead worker's tasks, those not started consume no retry; where nobody can say which were, all may have been.
//! - **RETRY-1** a task that waits for its next attempt is tried when its time has come, and only once.
//! - **FLOW-1** arguments of tasks that are not done are counted in bytes, so that submission can wait.
//! - **FLOW-2** inline values are counted in bytes.
#![forbid(unsafe_code)]

mod actors;
mod arguments;
mod borrowed;
mod budget;
mod bytes;
mod calls_in_flight;
mod cancel;
mod core;
mod defects;
mod dependencies;
mod effect;
mod ended_actors;
mod entry;
mod error_value;
mod invariants;
mod kept;
mod leases;
mod lineage;
mod locality;
mod loss;
mod memory_retries;
mod moving;
mod numbers;
mod on_done;
mod on_peer_lost;
mod owned;
mod rebuild;
mod references;
mod remembered;
mod replay;
mod retries;
mod retry_delays;
mod state;
mod streams;
mod submit;
mod table;

#[cfg(test)]
mod tests;

pub use arguments::{DependencyView, read_dependencies};
pub use budget::Movable;
pub use bytes::SmallBytes;
pub use cancel::CancelOutcome;
#[doc(hidden)]
pub use defects::Defects;
pub use effect::{Cancel, Effect, Outbox, Task};
pub use entry::{Location, Phase, Reference, Value, Waiter};
pub use error_value::{ErrorView, SystemError, error_summary, error_view, user_error, with_summary};

pub use numbers::{ActorIndex, FunctionIndex, PeerIndex};
pub use on_done::{Reply, Returned};
pub use on_peer_lost::{CONNECTION_LOST, Interrupted, Lost};
pub use owned::{BorrowedView, Fate, ObjectView, TaskView};
pub use remembered::{Recent, Registry};
pub use retry_delays::{MemoryRetryRule, RetryDelays};
pub use state::{ActorState, Borrowed, CallOrder, Core, Function, Identity, Statistics};
pub use streams::{DYNAMIC, ItemKey, NextItem, STREAMING, StreamHead, is_stream};
pub use submit::{Arguments, Submission};
