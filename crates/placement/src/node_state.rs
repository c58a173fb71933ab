//! A node, as it is reported.

use crate::Labels;
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// One node, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeState {
    /// The node.
    pub node: NodeId,
    /// Its number in the cluster.
    pub number: u32,
    /// What it has, in placement groups too, by name.
    pub total: ResourceSet,
    /// What is free of it, by name.
    pub free: ResourceSet,
    /// Its labels.
    pub labels: Labels,
    /// It takes nothing new.
    pub is_draining: bool,
    /// Leases that wait there.
    pub queued: u64,
}
