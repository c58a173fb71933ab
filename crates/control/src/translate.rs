//! Wire types to the brains' types and back.

use std::collections::BTreeMap;
use trygon_control_core as control;
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_resources::{Amount, ResourceSet};
use trygon_wire::control as wire;

/// Named amounts; what is no amount (negative, not finite) counts as nothing.
pub fn resource_set(amounts: &BTreeMap<String, f64>) -> ResourceSet {
    amounts.iter().map(|(name, value)| (name.clone(), Amount::from_f64(*value).unwrap_or(Amount::ZERO))).collect()
}

/// Named amounts as people write them.
pub fn amounts(resources: &ResourceSet) -> BTreeMap<String, f64> {
    resources.iter().map(|(name, amount)| (name.to_owned(), amount.as_f64())).collect()
}

/// A worker's id; nil for bytes of another length.
pub fn worker_id(bytes: &[u8]) -> WorkerId {
    WorkerId::from_bytes(bytes).unwrap_or(WorkerId::nil())
}

/// An actor's id; nil for bytes of another length.
pub fn actor_id(bytes: &[u8]) -> ActorId {
    ActorId::from_bytes(bytes).unwrap_or(ActorId::nil())
}

/// A placement group's id; nil for bytes of another length.
pub fn group_id(bytes: &[u8]) -> PlacementGroupId {
    PlacementGroupId::from_bytes(bytes).unwrap_or(PlacementGroupId::nil())
}

/// A new placement group's description. A strategy that nobody knows is the first one.
pub fn group_spec(
    creator: WorkerId,
    message: wire::CreatePlacementGroup,
    creator_actor: Option<ActorId>,
) -> control::GroupSpec {
    control::GroupSpec {
        group: group_id(&message.group_id),
        creator,
        creator_actor,
        name: message.name,
        namespace: message.namespace,
        strategy: control::Strategy::from_name(&message.strategy).unwrap_or(control::Strategy::Pack),
        bundles: message.bundles.iter().map(|bundle| resource_set(&bundle.resources)).collect(),
        labels: message.labels,
        target: NodeId::from_bytes(&message.target_node).ok(),
        detached: message.detached,
    }
}

/// A death for a frame.
pub fn death_to_wire(death: &control::Death) -> wire::Death {
    wire::Death {
        kind: death.kind.clone(),
        signal: death.signal,
        exit_code: death.exit_code,
        message: death.message.clone(),
        pid: death.pid,
    }
}

/// A death for the brain.
pub fn death_from_wire(death: &wire::Death) -> control::Death {
    control::Death {
        kind: death.kind.clone(),
        signal: death.signal,
        exit_code: death.exit_code,
        message: death.message.clone(),
        pid: death.pid,
    }
}

/// A new actor's description.
pub fn actor_spec(creator: WorkerId, message: wire::CreateActor) -> control::ActorSpec {
    control::ActorSpec {
        actor: actor_id(&message.actor_id),
        creator,
        class_hash: message.class_hash,
        class_name: message.class_name,
        name: message.name,
        namespace: message.namespace,
        placement: resource_set(&message.placement_resources),
        lifetime: resource_set(&message.lifetime_resources),
        max_restarts: message.max_restarts,
        arguments: message.arguments,
        handle_meta: message.handle_meta,
        options: message.options,
        depth: message.depth,
        detached: message.detached,
        environment: message.environment,
    }
}
