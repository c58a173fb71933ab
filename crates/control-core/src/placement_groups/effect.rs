//! Everything that the lives of placement groups ask for.

use trygon_ids::{PlacementGroupId, WorkerId};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEffect {
    /// Reserve the group's bundles, all of them or none.
    Reserve {
        /// The group.
        group: PlacementGroupId,
    },
    /// Give everything back, and end what runs inside.
    Release {
        /// The group.
        group: PlacementGroupId,
    },
    /// Tell a watcher the group's state.
    Notify {
        /// Who watches.
        watcher: WorkerId,
        /// The group.
        group: PlacementGroupId,
    },
}
