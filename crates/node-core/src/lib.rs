//! What a node decides: who gets a lease, on which worker, and when workers are started and ended.
//!
//! Knows nothing of sockets, processes or clocks: events come in with the time, effects go out. Its laws:
//! - **LEASE-1** a worker holds at most one lease, and a lease has exactly one worker.
//! - **LEASE-2** a lease ends once: by its owner's return or by its worker's death, whichever comes first.
//! - **LEASE-3** a lease whose owner is dead is not left running: its worker is ended.
//! - **LEASE-4** what its owner cancelled or what a dead owner asked for is never granted.
//! - **LEDGER-1** free amounts plus everything held, less what blocked workers lent, are the node's total.
//! - **LEDGER-2** the shares of a device that are held never exceed the device.
//! - **QUEUE-1** children of blocked workers come first, the deepest before all; among equals owners take turns.
//! - **ENV-1** a lease is granted only on a worker of the environment that it asks for.
//! - **POOL-1** there are never more processes than the cap, and no more start at once than work waits for.
#![forbid(unsafe_code)]

mod dispatch;
mod effect;
mod environment;
mod event;
mod invariants;
mod lease;
mod ledger;
mod on_actor;
mod on_blocked;
mod on_environment;
mod on_lease;
mod on_tick;
mod on_worker;
mod queue;
mod state;
mod step;
mod worker;

#[cfg(test)]
mod tests;

pub use effect::{Effect, StopReason};
pub use environment::{EnvironmentId, PLAIN};
pub use event::{ActorRequest, Event, LeaseRequest};
pub use lease::{LeaseId, LeaseView};
pub use ledger::{DeviceList, is_device};
pub use state::{Node, Options};
pub use worker::{LifeName, WorkerView};
