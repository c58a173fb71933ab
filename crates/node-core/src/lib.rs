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
//! - **FAIR-2** between jobs, what a node has goes by weight: to the one next that has least of its due, and back from those with more.
//! - **GROUP-3** a bundle of a group over many nodes is used only after all were reserved, and goes back with its attempt.
//! - **SPILL-1** of a request never more is asked elsewhere than its owner still wants, and what another node asked is asked of nobody else.
//! - **SPILL-2** a lease that another node granted has an owner here that wants it, or goes back at once.
//! - **SPILL-3** what another node asked is granted, declined or refused: only what may wait stays, or what lacks a worker.
//! - **SPILL-4** what was asked of a node and not answered counts as taken there.
//! - **SPILL-5** after the death of an owner or of a node no lease, ask or entry of it is left.
//! - **POOL-1** there are never more processes than the cap, and no more start at once than work waits for.
#![forbid(unsafe_code)]

mod abroad;
mod ask_full;
mod bundle;
mod bundles;
mod claim;
mod cluster;
mod defects;
mod dispatch;
mod effect;
mod environment;
mod event;
mod fairness;
mod held_between;
mod hold;
mod invariants;
mod lease;
mod ledger;
mod load;
mod memory_charge;
mod on_actor;
mod on_blocked;
mod on_bundles;
mod on_cluster;
mod on_environment;
mod on_group;
mod on_lease;
mod on_memory_pressure;
mod on_remote;
mod on_tick;
mod on_worker;
mod own_lease;
mod queue;
mod report;
mod share;
mod spill;
mod state;
mod step;
mod take_back;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;
pub use defects::NodeDefects;
pub use effect::{Effect, QueuedDemand, StopReason};
pub use environment::{EnvironmentId, PLAIN};
pub use event::{ActorRequest, Event, GroupRequest, LeaseRequest, RemoteAsk};
pub use held_between::BundleView;
pub use lease::{LeaseId, LeaseView, Refusal};
pub use ledger::{DeviceList, is_device};
pub use memory_charge::{MemoryCharge, OverLimit};
pub use on_memory_pressure::WorkerMemory;
pub use own_lease::{OwnLease, OwnLeaseDefects};
pub use state::{Node, Options};
pub use trygon_placement::{Labels, group_of};
pub use waiting::{QueuedView, WaitingView};
pub use worker::{LifeName, WorkerView};
