//! Placement groups, and leases that are taken back.

use crate::messages::messages;
use std::collections::BTreeMap;

messages! {
    /// One bundle of a placement group.
    Bundle {
        /// What it holds.
        #[prost(btree_map = "string, double", tag = "1")] resources: BTreeMap<String, f64>,
    }
    /// Creates a placement group; what becomes of it comes as `PlacementGroupUpdate`. One with a name is answered by `PlacementGroupReply`.
    CreatePlacementGroup {
        /// Chosen by the asker; 0 when no answer is wanted.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The group.
        #[prost(bytes = "vec", tag = "2")] group_id: Vec<u8>,
        /// Its name, or empty.
        #[prost(string, tag = "3")] name: String,
        /// Namespace of the name.
        #[prost(string, tag = "4")] namespace: String,
        /// `PACK`, `SPREAD`, `STRICT_PACK` or `STRICT_SPREAD`.
        #[prost(string, tag = "5")] strategy: String,
        /// Its bundles.
        #[prost(message, repeated, tag = "6")] bundles: Vec<Bundle>,
        /// For each bundle the selectors of labels that its node must have, or empty; or none at all.
        #[prost(string, repeated, tag = "7")] labels: Vec<String>,
        /// Lives on when its creator ends.
        #[prost(bool, tag = "8")] detached: bool,
        /// The actor that creates it, or empty.
        #[prost(bytes = "vec", tag = "9")] creator_actor: Vec<u8>,
        /// The node that it is rather on, or empty.
        #[prost(bytes = "vec", tag = "10")] target_node: Vec<u8>,
    }
    /// Whether a named placement group was registered.
    PlacementGroupReply {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Why it was refused, or empty.
        #[prost(string, tag = "2")] error: String,
        /// Why nothing was changed: the head's disk is full. Or empty.
        #[prost(string, tag = "3")] out_of_disk: String,
    }
    /// Removes a placement group and ends what runs in it.
    RemovePlacementGroup {
        /// The group.
        #[prost(bytes = "vec", tag = "1")] group_id: Vec<u8>,
    }
    /// Asks for updates about a placement group. The current state comes at once.
    WatchPlacementGroup {
        /// The group.
        #[prost(bytes = "vec", tag = "1")] group_id: Vec<u8>,
    }
    /// The state of a watched placement group.
    PlacementGroupUpdate {
        /// The group.
        #[prost(bytes = "vec", tag = "1")] group_id: Vec<u8>,
        /// `PENDING`, `CREATED`, `REMOVED`, or `UNKNOWN`.
        #[prost(string, tag = "2")] state: String,
    }
    /// Others have waited long for what a lease holds: it is to be given back when what its worker has begun is done.
    LeaseRevoke {
        /// The lease.
        #[prost(uint64, tag = "1")] lease_id: u64,
    }
}
