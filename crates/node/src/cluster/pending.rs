//! A connection with a process of another node that is being made, and what its process here is told once it is there.

use trygon_ids::{ActorId, JobId};
use trygon_wire::control::{ActorUpdate, LeaseGranted, LeaseRevoke};

/// A frame that must not come before the connection.
#[derive(Debug)]
pub(crate) enum Then {
    Granted(LeaseGranted),
    Revoke(LeaseRevoke),
    Actor(ActorUpdate),
}

/// A connection that is waited for.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The job of the other process.
    pub(crate) job: JobId,
    /// The connection's number, once this side makes it.
    pub(crate) connection: u64,
    /// Whether something was done towards it: not while the other node is unknown.
    pub(crate) is_begun: bool,
    /// Then it has failed.
    pub(crate) until_ms: u64,
    pub(crate) then: Vec<Then>,
}

impl Pending {
    /// Whether an actor's state is among what is held back: what follows is held back too.
    pub(crate) fn holds_actor(&self, actor: ActorId) -> bool {
        self.then.iter().any(|then| matches!(then, Then::Actor(update) if update.actor_id == actor.as_bytes()))
    }

    /// Whether a lease is among what is held back.
    pub(crate) fn holds_lease(&self, lease: u64) -> bool {
        self.then.iter().any(|then| matches!(then, Then::Granted(granted) if granted.lease_id == lease))
    }
}
