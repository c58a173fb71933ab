//! Placement groups, and leases that are taken back, every field filled.

use super::{Examples, amounts, id};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(
        Kind::CreatePlacementGroup,
        &control::CreatePlacementGroup {
            request_id: 0x1_0000_0001,
            group_id: id(2, 18),
            name: "trainers".to_owned(),
            namespace: "reports".to_owned(),
            strategy: "STRICT_PACK".to_owned(),
            bundles: vec![
                control::Bundle { resources: amounts("CPU", 1.5) },
                control::Bundle { resources: amounts("GPU", 1.0) },
            ],
            labels: vec!["zone=in(a,b)".to_owned(), String::new()],
            detached: true,
            creator_actor: id(3, 16),
            target_node: id(4, 28),
        },
    );
    examples.put(Kind::RemovePlacementGroup, &control::RemovePlacementGroup { group_id: id(2, 18) });
    examples.put(Kind::WatchPlacementGroup, &control::WatchPlacementGroup { group_id: id(2, 18) });
    examples.put(
        Kind::PlacementGroupReply,
        &control::PlacementGroupReply {
            request_id: 0x1_0000_0001,
            error: "the name is taken".to_owned(),
            out_of_disk: "no space left".to_owned(),
        },
    );
    examples.put(
        Kind::PlacementGroupUpdate,
        &control::PlacementGroupUpdate { group_id: id(2, 18), state: "CREATED".to_owned() },
    );
    examples.put(Kind::LeaseRevoke, &control::LeaseRevoke { lease_id: 0x2_0000_0002 });
}
