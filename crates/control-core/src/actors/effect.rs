//! Everything that the lives of actors ask for.

use trygon_ids::{ActorId, WorkerId};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find a worker for the actor's present life.
    Place {
        /// The actor.
        actor: ActorId,
    },
    /// Find a worker for the actor's present life, so much later (ACTOR-6).
    Rest {
        /// The actor.
        actor: ActorId,
        /// How long it rests.
        rest_us: u64,
    },
    /// Stop looking for a worker.
    Unplace {
        /// The actor.
        actor: ActorId,
    },
    /// Run the constructor on this worker.
    Start {
        /// The actor.
        actor: ActorId,
        /// Its worker.
        worker: WorkerId,
    },
    /// The constructor is done: the worker holds only what the actor keeps.
    Running {
        /// The actor's worker.
        worker: WorkerId,
    },
    /// Tell a watcher the actor's state.
    Notify {
        /// Who watches.
        watcher: WorkerId,
        /// The actor.
        actor: ActorId,
    },
    /// Let the worker finish what it received, then exit.
    Drain {
        /// The actor's worker.
        worker: WorkerId,
    },
    /// End the worker at once.
    Kill {
        /// The actor's worker.
        worker: WorkerId,
        /// Kind of the cause.
        kind: &'static str,
        /// One sentence for people.
        message: String,
    },
}
