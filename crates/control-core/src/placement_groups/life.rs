//! One placement group: what it was created from and where it is in its life.

use std::collections::BTreeSet;
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_resources::ResourceSet;

/// How bundles are spread over nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Strategy {
    /// On as few nodes as possible.
    Pack,
    /// On as many nodes as possible.
    Spread,
    /// On one node.
    StrictPack,
    /// Each on a node of its own.
    StrictSpread,
}

impl Strategy {
    /// The strategy with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pack, Self::Spread, Self::StrictPack, Self::StrictSpread]
            .into_iter()
            .find(|strategy| strategy.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pack => "PACK",
            Self::Spread => "SPREAD",
            Self::StrictPack => "STRICT_PACK",
            Self::StrictSpread => "STRICT_SPREAD",
        }
    }
}

/// What a group is created from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GroupSpec {
    /// The group.
    pub group: PlacementGroupId,
    /// The process that creates it.
    pub creator: WorkerId,
    /// The detached actor that creates it and with which it ends, if it is one's. Others end with the job.
    pub creator_actor: Option<ActorId>,
    /// Its name, or empty.
    pub name: String,
    /// Namespace of the name.
    pub namespace: String,
    /// How its bundles are spread.
    pub strategy: Strategy,
    /// What each bundle holds.
    pub bundles: Vec<ResourceSet>,
    /// For each bundle the selectors of labels that its node must have, or empty; or none at all.
    pub labels: Vec<String>,
    /// The node that it is rather on.
    pub target: Option<NodeId>,
    /// Lives on when its creator ends.
    pub detached: bool,
}

/// Where a group is in its life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum GroupState {
    /// Not reserved yet; why, if there is more to say than that it waits its turn.
    Pending {
        /// Why it waits, or empty.
        waits: String,
    },
    /// All bundles are reserved.
    Created,
    /// Gone for good.
    Removed,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// What it was created from.
    pub spec: GroupSpec,
    /// Where it is.
    pub state: GroupState,
    /// When it was asked for, in microseconds of the caller's clock.
    pub asked_us: u64,
    /// When it was reserved, or 0.
    pub reserved_us: u64,
    pub(crate) watchers: BTreeSet<WorkerId>,
}

impl Group {
    /// The state in Ray's word.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            GroupState::Pending { .. } => "PENDING",
            GroupState::Created => "CREATED",
            GroupState::Removed => "REMOVED",
        }
    }

    /// Why it waits, or empty.
    pub fn waits(&self) -> &str {
        if let GroupState::Pending { waits } = &self.state { waits } else { "" }
    }

    /// How placing it goes, in Ray's word.
    pub fn scheduling_state(&self) -> &'static str {
        match &self.state {
            GroupState::Pending { waits } if waits.is_empty() => "QUEUED",
            GroupState::Pending { .. } => "INFEASIBLE",
            GroupState::Created => "FINISHED",
            GroupState::Removed => "REMOVED",
        }
    }
}
