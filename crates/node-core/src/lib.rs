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
//! - **GROUP-1** a placement group has all its bundles or none, and what runs in a bundle never holds more than the bundle.
//! - **GROUP-2** nothing waits or runs in a placement group that was removed, and its resources come back.
//! - **FAIR-1** a request that could be met is not overtaken for ever: after a while resources are held for it.
//! - **POOL-1** there are never more processes than the cap, and no more start at once than work waits for.
#![forbid(unsafe_code)]

mod bundle;
mod bundles;
mod demand;
mod dispatch;
mod effect;
mod environment;
mod event;
mod fairness;
mod hold;
mod invariants;
mod labels;
mod lease;
mod ledger;
mod on_actor;
mod on_blocked;
mod on_environment;
mod on_group;
mod on_lease;
mod on_tick;
mod on_worker;
mod queue;
mod state;
mod step;
mod waiting;
mod worker;

#[cfg(test)]
mod tests;

pub use demand::group_of;
pub use effect::{Effect, StopReason};
pub use environment::{EnvironmentId, PLAIN};
pub use event::{ActorRequest, Event, GroupRequest, LeaseRequest};
pub use labels::Labels;
pub use lease::{LeaseId, LeaseView, Refusal};
pub use ledger::{DeviceList, is_device};
pub use state::{Node, Options};
pub use waiting::WaitingView;
pub use worker::{LifeName, WorkerView};
