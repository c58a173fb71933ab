//! Leases in placement groups: they wait until the head has said what it knows of the group.

use crate::known_groups::{EarlyLease, KnownGroup};
use crate::service::Service;
use crate::translate::{group_id, resource_set};
use trygon_ids::PlacementGroupId;
use trygon_node_core::{Event, Refusal, group_of};
use trygon_proto::v1::GroupNews;
use trygon_proto::v1::from_process::Request;
use trygon_wire::Kind;
use trygon_wire::control::{LeaseRefused, LeaseRequest, WatchPlacementGroup};

/// Removed groups that are remembered.
const MAX_REMOVED: usize = 1_000;

impl Service {
    /// A lease in a placement group: true when it was taken over here, because the group is not known or not there any more.
    pub(crate) fn is_lease_of_absent_group(&mut self, from: u64, request: &LeaseRequest) -> bool {
        // Only names with this in them are of groups: the others are not looked at.
        if !request.resources.keys().any(|name| name.contains("_group_")) {
            return false;
        }
        let Some(group) = group_of(&resource_set(&request.resources)) else {
            return false;
        };
        match self.known_groups.get(&group) {
            Some(KnownGroup::There) => false,
            Some(KnownGroup::Removed) => {
                self.refuse_lease_in_group(group, from, request);
                true
            }
            None => {
                let is_first = self.early_leases.iter().all(|early| early.group != group);
                self.early_leases.push(EarlyLease { group, from, request: request.clone() });
                if is_first {
                    let watch = WatchPlacementGroup { group_id: group.as_bytes().to_vec() };
                    self.ask_head(None, Request::WatchGroup(watch));
                }
                true
            }
        }
    }

    /// The head says how a group is.
    pub(crate) fn on_group_news(&mut self, news: &GroupNews) {
        let group = group_id(&news.group_id);
        let state = match news.state.as_str() {
            "unknown" => None,
            "removed" => Some(KnownGroup::Removed),
            _ => Some(KnownGroup::There),
        };
        if let Some(state) = state {
            self.known_groups.insert(group, state);
        }
        if state == Some(KnownGroup::Removed) {
            // A node without bundles of the group may have requests of its owners waiting for those elsewhere.
            self.node_step(Event::GroupRemoved { group });
            self.removed_groups.push_back(group);
            if self.removed_groups.len() > MAX_REMOVED
                && let Some(oldest) = self.removed_groups.pop_front()
            {
                self.known_groups.remove(&oldest);
            }
        }
        let (early, others) =
            std::mem::take(&mut self.early_leases).into_iter().partition(|early| early.group == group);
        self.early_leases = others;
        let early: Vec<EarlyLease> = early;
        for EarlyLease { from, request, .. } in early {
            if state == Some(KnownGroup::There) {
                self.on_lease_request(from, request);
            } else {
                self.refuse_lease_in_group(group, from, &request);
            }
        }
    }

    fn refuse_lease_in_group(&mut self, group: PlacementGroupId, from: u64, request: &LeaseRequest) {
        let message = format!("{} was to run in placement group {group}, which was removed", request.name);
        self.refuse_lease(from, request.request_id, Refusal::GroupRemoved, message);
    }

    /// Tells an owner that its request will never be met.
    pub(crate) fn refuse_lease(&mut self, to: u64, request_id: u64, refusal: Refusal, message: String) {
        let kind = refusal.as_str().to_owned();
        self.send(to, Kind::LeaseRefused, &LeaseRefused { request_id, kind, message });
    }
}
