//! Numbers and the ids that are made of them.

use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};

/// Actors and groups, and their names, share this namespace.
pub(super) const NAMESPACE: &str = "space";

pub(super) fn node(number: u64) -> NodeId {
    let mut bytes = [7; NodeId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::new(bytes)
}

/// The number of a node, or of the node of a process.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn process(of_node: u64, process: u64) -> WorkerId {
    let mut bytes = [0; WorkerId::LEN];
    bytes[..20].copy_from_slice(&node(of_node).as_bytes()[..20]);
    bytes[20..].copy_from_slice(&process.to_be_bytes());
    WorkerId::new(bytes)
}

pub(super) fn actor(number: u64) -> ActorId {
    let mut bytes = [1; ActorId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ActorId::new(bytes)
}

pub(super) fn group(number: u64) -> PlacementGroupId {
    let mut bytes = [2; PlacementGroupId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PlacementGroupId::new(bytes)
}

pub(super) fn worker_id(bytes: &[u8]) -> WorkerId {
    WorkerId::from_bytes(bytes).unwrap_or(WorkerId::nil())
}

pub(super) fn actor_id(bytes: &[u8]) -> ActorId {
    ActorId::from_bytes(bytes).unwrap_or(ActorId::nil())
}

pub(super) fn group_id(bytes: &[u8]) -> PlacementGroupId {
    PlacementGroupId::from_bytes(bytes).unwrap_or(PlacementGroupId::nil())
}
