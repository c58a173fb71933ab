//! Questions about actors and groups that are not known yet.

use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};

/// A question that may be answered soon.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) enum Question {
    Actor {
        watcher: WorkerId,
        actor: ActorId,
    },
    Group {
        node: NodeId,
        watcher: WorkerId,
        group: PlacementGroupId,
    },
    /// An actor that is to run in a group.
    Place {
        actor: ActorId,
        group: PlacementGroupId,
    },
}

impl Question {
    /// Whether it is about where this actor is to go.
    pub(super) fn is_place_of(&self, wanted: ActorId) -> bool {
        matches!(self, Self::Place { actor, .. } if *actor == wanted)
    }
}

/// All of them, the oldest first.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Early {
    pub(super) questions: Vec<(u64, Question)>,
}

impl Early {
    /// Takes out what is wanted.
    pub(super) fn take(&mut self, is_wanted: impl Fn(u64, &Question) -> bool) -> Vec<Question> {
        let (taken, left) = std::mem::take(&mut self.questions)
            .into_iter()
            .partition(|(until_us, question)| is_wanted(*until_us, question));
        self.questions = left;
        let taken: Vec<(u64, Question)> = taken;
        taken.into_iter().map(|(_, question)| question).collect()
    }
}
