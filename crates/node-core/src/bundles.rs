//! Placement groups on this node: each bundle is a part of the node's books that has books of its own.
//!
//! A group is reserved with all its bundles or not at all. What runs in a bundle is taken from the bundle's books and goes back there;
//! when the group is removed, what is free goes back to the node at once, and the rest as soon as the processes that use it have ended.

use crate::Node;
use crate::bundle::Bundle;
use crate::ledger::{BundleKey, Held, Ledger};
use trygon_ids::PlacementGroupId;
use trygon_placement::{Demand, GroupPart, group_name};
use trygon_resources::ResourceSet;

impl Node {
    /// The books that `bundle` has, or the node's.
    pub(crate) fn books(&mut self, bundle: Option<BundleKey>) -> Option<&mut Ledger> {
        let Some((group, index)) = bundle else {
            return Some(&mut self.ledger);
        };
        self.groups.get_mut(&group)?.get_mut(&index).map(|bundle| &mut bundle.ledger)
    }

    /// Takes what is demanded, all of it or nothing.
    pub(crate) fn acquire(&mut self, demand: &Demand) -> Option<Held> {
        let Some(part) = &demand.part else {
            return self.ledger.acquire(&demand.amounts);
        };
        let bundles = self.groups.get_mut(&part.group)?;
        for (index, bundle) in bundles.iter_mut().filter(|(index, _)| is_wanted(part, **index)) {
            if !bundle.is_committed {
                continue;
            }
            if let Some(mut held) = bundle.ledger.acquire(&demand.amounts) {
                held.bundle = Some((part.group, *index));
                return Some(held);
            }
        }
        None
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self, held: &Held) {
        let bundle = held.bundle.filter(|_| !self.defects.bundle_bypassed);
        if let Some(books) = self.books(bundle) {
            books.release(held);
        }
    }

    /// Whether this could be held if everything else ended. What waits for a group that is not reserved yet may turn out so.
    pub(crate) fn is_feasible(&self, demand: &Demand) -> bool {
        if !self.has_labels(demand) {
            return false;
        }
        let Some(part) = &demand.part else {
            return self.ledger.is_feasible(&demand.amounts);
        };
        self.groups.get(&part.group).is_none_or(|bundles| {
            let mut wanted = bundles.iter().filter(|(index, _)| is_wanted(part, **index));
            wanted.any(|(_, bundle)| bundle.ledger.is_feasible(&demand.amounts))
        })
    }

    /// Whether the node has the labels that are wanted.
    pub(crate) fn has_labels(&self, demand: &Demand) -> bool {
        demand.labels.as_ref().is_none_or(|selectors| trygon_placement::is_met(selectors, &self.options.labels))
    }

    /// Reserves all bundles, or none.
    pub(crate) fn reserve(&mut self, group: PlacementGroupId, bundles: &[ResourceSet]) -> bool {
        if self.groups.contains_key(&group) {
            return false;
        }
        let mut reserved: Vec<Held> = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            match self.ledger.acquire(bundle) {
                Some(held) => reserved.push(held),
                None if self.defects.groups_in_part => {}
                None => {
                    reserved.iter().for_each(|held| self.ledger.release(held));
                    return false;
                }
            }
        }
        let bundles = reserved.into_iter().map(|held| Bundle::new(held, &self.ledger)).enumerate().collect();
        self.groups.insert(group, bundles);
        true
    }

    /// A group is no more, on this node.
    pub(crate) fn dissolve(&mut self, group: PlacementGroupId) {
        let indices: Vec<usize> = self.groups.get(&group).into_iter().flatten().map(|(index, _)| *index).collect();
        indices.into_iter().for_each(|index| self.dissolve_bundle(group, index));
    }

    /// What the node has, in groups too, under the names by which it can be asked for.
    pub fn total_by_name(&self) -> ResourceSet {
        self.by_name(&self.ledger.total, |ledger| &ledger.total)
    }

    /// What is free, in groups too, under the names by which it can be asked for.
    pub fn free_by_name(&self) -> ResourceSet {
        self.by_name(&self.ledger.free, |ledger| &ledger.free)
    }

    fn by_name(&self, node: &ResourceSet, pick: impl Fn(&Ledger) -> &ResourceSet) -> ResourceSet {
        let mut named = node.clone();
        for (group, bundles) in &self.groups {
            for (index, bundle) in bundles.iter().filter(|(_, bundle)| bundle.is_committed) {
                for (name, amount) in pick(&bundle.ledger).iter() {
                    named.set(&group_name(name, group, Some(*index)), amount);
                    let of_group = group_name(name, group, None);
                    named.set(&of_group, named.get(&of_group) + amount);
                }
            }
        }
        named
    }
}

fn is_wanted(part: &GroupPart, index: usize) -> bool {
    part.bundle.is_none_or(|bundle| bundle as usize == index)
}
