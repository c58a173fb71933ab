//! Placement groups of a node that is a cluster of its own: it reserves by itself.

use crate::head::{Head, Out};
use crate::translate::amounts;
use std::collections::BTreeSet;
use trygon_control_core::{GroupSpec, GroupState, Strategy};
use trygon_ids::PlacementGroupId;
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{IndexedBundle, ReserveGroup};
use trygon_resources::ResourceSet;

impl Head {
    /// Has the only node reserve everything.
    pub(super) fn reserve_alone(&mut self, group: PlacementGroupId, out: &mut Out) {
        let Some(entry) = self.groups.get(group).filter(|entry| matches!(entry.state, GroupState::Pending { .. }))
        else {
            return;
        };
        let spec = &entry.spec;
        let Some(node) = self.nodes.own() else {
            self.groups.note_waits(group, "no node of the cluster has what it needs".to_owned());
            return self.homeless_groups.push(group);
        };
        let message = ReserveGroup {
            group_id: group.as_bytes().to_vec(),
            creator: spec.creator.as_bytes().to_vec(),
            bundles: spec.bundles.iter().enumerate().map(indexed).collect(),
            apart: spec.strategy == Strategy::StrictSpread,
            labels: labels_of_all(spec),
            name: name_of(spec),
        };
        self.group_node.insert(group, node);
        Self::tell(node, Body::ReserveGroup(message), out);
    }
}

/// What the one node of all bundles must have.
fn labels_of_all(spec: &GroupSpec) -> String {
    let wanted: BTreeSet<&str> = spec.labels.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    wanted.into_iter().collect::<Vec<&str>>().join("&")
}

/// A bundle and its place in the group.
pub(super) fn indexed((index, resources): (usize, &ResourceSet)) -> IndexedBundle {
    IndexedBundle { index: u32::try_from(index).unwrap_or(u32::MAX), resources: amounts(resources) }
}

/// The group, for people.
pub(super) fn name_of(spec: &GroupSpec) -> String {
    match spec.name.as_str() {
        "" => format!("The placement group {}", spec.group),
        name => format!("The placement group {name:?}"),
    }
}
