//! One actor: what it was created from and where it is in its life.

use std::collections::BTreeSet;
use trygon_ids::{ActorId, WorkerId};
use trygon_resources::ResourceSet;

/// Exactly one cause of a death.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Death {
    /// A word: `signal`, `exit`, `user_exit`, `killed`, ...
    pub kind: String,
    /// The signal, or 0.
    pub signal: i32,
    /// The exit code, or 0.
    pub exit_code: i32,
    /// One sentence for people.
    pub message: String,
    /// Process id, or 0.
    pub pid: u32,
}

/// What an actor is created from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActorSpec {
    /// The actor.
    pub actor: ActorId,
    /// The process that creates it.
    pub creator: WorkerId,
    /// Hash of its pickled class.
    pub class_hash: Vec<u8>,
    /// The class's name.
    pub class_name: String,
    /// The actor's name, or empty.
    pub name: String,
    /// Namespace of the name.
    pub namespace: String,
    /// What is needed to place it.
    pub placement: ResourceSet,
    /// What it holds while it lives.
    pub lifetime: ResourceSet,
    /// Restarts allowed; negative for any number.
    pub max_restarts: i64,
    /// Arguments of the constructor.
    pub arguments: Vec<u8>,
    /// What a handle needs to know.
    pub handle_meta: Vec<u8>,
    /// Opaque options for the worker.
    pub options: Vec<u8>,
    /// Nesting depth of the creator.
    pub depth: u32,
    /// Lives on when its creator dies.
    pub detached: bool,
    /// Key of the runtime environment that its worker must have, or empty.
    pub environment: Vec<u8>,
}

/// Where an actor is in its life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ActorState {
    /// Has no worker yet; `restart` tells the first life from later ones.
    Pending {
        /// Why its last life ended; `None` in the first.
        restart: Option<Death>,
    },
    /// Its constructor runs.
    Constructing {
        /// Its worker.
        worker: WorkerId,
        /// Why its last life ended; `None` in the first.
        restart: Option<Death>,
    },
    /// Takes calls.
    Alive {
        /// Its worker.
        worker: WorkerId,
    },
    /// Gone for good.
    Dead {
        /// Why.
        death: Death,
        /// The encoded error of its constructor, or empty.
        error: Vec<u8>,
    },
}

/// One actor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// What it was created from.
    pub spec: ActorSpec,
    /// Where it is.
    pub state: ActorState,
    /// Which life, from 0.
    pub incarnation: u32,
    /// Lives that ended because their nodes were drained: they count for nothing.
    pub drained: u32,
    /// Lives in a row whose processes died in the constructor.
    pub stillborn: u16,
    /// Why it waits for a worker, or empty.
    pub waits: String,
    pub(crate) watchers: BTreeSet<WorkerId>,
    /// The last handle is gone: it ends when its constructor is done.
    pub(crate) out_of_scope: bool,
}

impl Actor {
    /// The state in a word: `pending`, `alive`, `restarting` or `dead`.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            ActorState::Pending { restart: None } | ActorState::Constructing { restart: None, .. } => "pending",
            ActorState::Pending { .. } | ActorState::Constructing { .. } => "restarting",
            ActorState::Alive { .. } => "alive",
            ActorState::Dead { .. } => "dead",
        }
    }

    /// Its worker, while it has one.
    pub fn worker(&self) -> Option<WorkerId> {
        match self.state {
            ActorState::Constructing { worker, .. } | ActorState::Alive { worker } => Some(worker),
            ActorState::Pending { .. } | ActorState::Dead { .. } => None,
        }
    }

    /// Why it is dead or restarts.
    pub fn death(&self) -> Option<&Death> {
        match &self.state {
            ActorState::Dead { death, .. } => Some(death),
            ActorState::Pending { restart } | ActorState::Constructing { restart, .. } => restart.as_ref(),
            ActorState::Alive { .. } => None,
        }
    }

    /// Whether it is gone for good.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, ActorState::Dead { .. })
    }

    /// Whether the last handle is gone: it ends when it has done what it received.
    pub fn is_out_of_scope(&self) -> bool {
        self.out_of_scope
    }

    /// Whether another life is allowed.
    pub(crate) fn may_restart(&self, one_more: bool) -> bool {
        let limit = self.spec.max_restarts;
        !self.out_of_scope && (limit < 0 || i64::from(self.restarts()) < limit + i64::from(one_more))
    }

    /// Restarts that count.
    pub fn restarts(&self) -> u32 {
        self.incarnation.saturating_sub(self.drained)
    }

    /// Whether it lives on elsewhere when its node is drained: not one that is never to run twice.
    pub(crate) fn may_move(&self) -> bool {
        !self.out_of_scope && self.spec.max_restarts != 0
    }
}
