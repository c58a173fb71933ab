//! Placement groups over many nodes: the head reserves in two phases, first everywhere, then for use (GROUP-3).

use crate::bundle::Bundle;
use crate::ledger::Held;
use crate::worker::Life;
use crate::{Effect, LeaseId, Node, StopReason};
use std::collections::BTreeSet;
use trygon_ids::{PlacementGroupId, WorkerId};
use trygon_placement::MARKER;
use trygon_resources::{Amount, ResourceSet};

impl Node {
    /// First phase: all bundles are held, or none. What an earlier attempt holds is taken over, so that asking twice holds once.
    pub(crate) fn on_bundles_prepare(
        &mut self,
        group: PlacementGroupId,
        attempt: u32,
        bundles: &[(u32, ResourceSet)],
        effects: &mut Vec<Effect>,
    ) {
        let here = self.groups.get(&group);
        let is_held = |index: u32| here.is_some_and(|bundles| bundles.contains_key(&(index as usize)));
        let mut named = BTreeSet::new();
        // A place that is named twice is one: of two that were taken for it, one would be lost.
        let is_missing = |(index, _): &&(u32, ResourceSet)| !is_held(*index) && named.insert(*index);
        let missing: Vec<&(u32, ResourceSet)> = bundles.iter().filter(is_missing).collect();
        let mut taken: Vec<(usize, Held)> = Vec::new();
        for (index, bundle) in missing.iter().filter(|_| !self.cluster.is_draining) {
            if let Some(held) = self.ledger.acquire(bundle) {
                taken.push((*index as usize, held));
            }
        }
        let ok = taken.len() == missing.len();
        if ok {
            let ledger = &self.ledger;
            let new = taken
                .into_iter()
                .map(|(index, held)| (index, Bundle { attempt, is_committed: false, ..Bundle::new(held, ledger) }));
            let here = self.groups.entry(group).or_default();
            bundles.iter().for_each(|(index, _)| {
                if let Some(bundle) = here.get_mut(&(*index as usize)) {
                    bundle.attempt = attempt;
                }
            });
            here.extend(new);
        } else {
            taken.iter().for_each(|(_, held)| self.ledger.release(held));
        }
        effects.push(Effect::BundlesPrepared { group, attempt, ok, free: self.free_by_name() });
    }

    /// Second phase: what the attempt holds may be used.
    pub(crate) fn on_bundles_commit(&mut self, group: PlacementGroupId, attempt: u32) {
        let bundles = self.groups.get_mut(&group).into_iter().flat_map(|bundles| bundles.values_mut());
        bundles.filter(|bundle| bundle.attempt == attempt).for_each(|bundle| bundle.is_committed = true);
    }

    /// What the attempt holds goes back: what is free at once, the rest when what runs there has ended.
    pub(crate) fn on_bundles_return(&mut self, group: PlacementGroupId, attempt: u32, effects: &mut Vec<Effect>) {
        let bundles = self.groups.get(&group).into_iter().flatten();
        let theirs: Vec<usize> = bundles
            .filter(|(_, bundle)| bundle.attempt == attempt || self.defects.attempt_ignored)
            .map(|(index, _)| *index)
            .collect();
        for index in theirs {
            let inside: Vec<(LeaseId, WorkerId)> = self
                .leases
                .iter()
                .filter(|(_, lease)| lease.held.bundle == Some((group, index)))
                .map(|(id, lease)| (*id, lease.worker))
                .collect();
            for (lease, worker) in inside {
                self.workers.insert(worker, Life::Exiting { lease: Some(lease) });
                effects.push(Effect::StopWorker { worker, reason: StopReason::GroupRemoved });
            }
            self.dissolve_bundle(group, index);
        }
    }

    /// A bundle is no more: what its leases hold counts against the node until they end, everything else is free.
    pub(crate) fn dissolve_bundle(&mut self, group: PlacementGroupId, index: usize) {
        for lease in self.leases.values_mut().filter(|lease| lease.held.bundle == Some((group, index))) {
            lease.held.bundle = None;
            lease.held.amounts.set(MARKER, Amount::ZERO);
        }
        let Some(bundles) = self.groups.get_mut(&group) else {
            return;
        };
        if let Some(mut bundle) = bundles.remove(&index) {
            bundle.ledger.free.set(MARKER, Amount::ZERO);
            self.ledger.absorb(&bundle.ledger);
        }
        if bundles.is_empty() {
            self.groups.remove(&group);
        }
    }

    /// Every bundle that is held here: its group, its place in it, the attempt that it belongs to, and whether it may be used. A node
    /// that registers again says so.
    pub fn held_bundles(&self) -> Vec<(PlacementGroupId, u32, u32, bool)> {
        let of_group = |(group, bundles): (&PlacementGroupId, &crate::bundle::Bundles)| {
            let held =
                bundles.iter().map(|(index, bundle)| (*group, *index as u32, bundle.attempt, bundle.is_committed));
            held.collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }
}
