//! What is known of an actor for which a worker is looked for.

use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// A node looks for a worker for an actor.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Placing {
    pub(super) node: NodeId,
    /// What was asked of it, by name.
    pub(super) named: ResourceSet,
    pub(super) since_us: u64,
}
