//! What the node has, what is free, and which device instances are whose.

use std::collections::BTreeMap;
use trygon_ids::PlacementGroupId;
use trygon_resources::{Amount, ResourceSet};

/// Resources whose instances are told apart, because programs address them by index.
const DEVICE_RESOURCES: [&str; 4] = ["GPU", "TPU", "NPU", "HPU"];

/// The resource that a blocked worker lends.
pub(crate) const CPU: &str = "CPU";

/// Device instances held, for each resource: its name and the indices.
pub type DeviceList = Vec<(String, Vec<u32>)>;

/// Whether instances of this resource are told apart.
pub fn is_device(name: &str) -> bool {
    DEVICE_RESOURCES.contains(&name)
}

/// What one lease has taken from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) amounts: ResourceSet,
    /// For each device resource: instances and the share taken of each.
    pub(crate) shares: BTreeMap<String, Vec<(u32, Amount)>>,
    /// The bundle of a placement group that it was taken from; `None` for the node itself.
    pub(crate) bundle: Option<BundleKey>,
}

/// A bundle: its group and its number there.
pub(crate) type BundleKey = (PlacementGroupId, usize);

impl Held {
    /// The devices, without their shares.
    pub(crate) fn devices(&self) -> DeviceList {
        let indices = |shares: &Vec<(u32, Amount)>| shares.iter().map(|(index, _)| *index).collect();
        self.shares.iter().map(|(name, shares)| (name.clone(), indices(shares))).collect()
    }
}

/// The books of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) total: ResourceSet,
    pub(crate) free: ResourceSet,
    /// What is free of each instance of each device resource.
    pub(crate) instances: BTreeMap<String, Vec<Amount>>,
    /// Planted: see [`crate::NodeDefects::shares_overlap`].
    pub(crate) shares_overlap: bool,
}

impl Ledger {
    /// Books with everything free.
    pub(crate) fn new(total: ResourceSet) -> Self {
        let mut instances = BTreeMap::new();
        for (name, amount) in total.iter().filter(|(name, _)| is_device(name)) {
            let whole = amount.units() / Amount::whole(1).units();
            instances.insert(name.to_owned(), vec![Amount::whole(1); usize::try_from(whole).unwrap_or(0)]);
        }
        Self { free: total.clone(), total, instances, shares_overlap: false }
    }

    /// Books of what was taken from others: a bundle. Device instances keep their numbers.
    pub(crate) fn of_held(held: &Held, node: &Self) -> Self {
        let mut instances = BTreeMap::new();
        for (name, shares) in &held.shares {
            let count = node.instances.get(name).map_or(0, Vec::len);
            let mut own = vec![Amount::ZERO; count];
            for (index, share) in shares {
                own[*index as usize] = *share;
            }
            instances.insert(name.clone(), own);
        }
        let (free, total) = (held.amounts.clone(), held.amounts.clone());
        Self { free, total, instances, shares_overlap: node.shares_overlap }
    }

    /// Takes over what is free in the books of a bundle that ends.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.free.add(&other.free);
        for (name, free) in &other.instances {
            let shares: Vec<(u32, Amount)> =
                free.iter().enumerate().map(|(index, share)| (index as u32, *share)).collect();
            self.change_shares(name, &shares, |free, share| free + share);
        }
    }

    /// Whether the node could ever hold this.
    pub(crate) fn is_feasible(&self, demand: &ResourceSet) -> bool {
        self.total.covers(demand)
    }

    /// Takes `demand`, all of it or nothing.
    pub(crate) fn acquire(&mut self, demand: &ResourceSet) -> Option<Held> {
        if !self.free.covers(demand) {
            return None;
        }
        let mut shares = BTreeMap::new();
        for (name, amount) in demand.iter() {
            if let Some(instances) = self.instances.get(name) {
                shares.insert(name.to_owned(), pick_instances(instances, amount, self.shares_overlap)?);
            }
        }
        for (name, taken) in &shares {
            self.change_shares(name, taken, |free, share| free - share);
        }
        self.free.subtract(demand);
        Some(Held { amounts: demand.clone(), shares, bundle: None })
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self, held: &Held) {
        for (name, taken) in &held.shares {
            self.change_shares(name, taken, |free, share| free + share);
        }
        self.free.add(&held.amounts);
    }

    /// Gives back what `held` has above `keep`. Devices go back when none of their resource is kept.
    pub(crate) fn shrink(&mut self, held: &mut Held, keep: &ResourceSet) {
        let mut surplus = ResourceSet::new();
        for (name, amount) in held.amounts.iter() {
            let kept = if is_device(name) && !keep.get(name).is_zero() { amount } else { keep.get(name).min(amount) };
            surplus.set(name, amount - kept);
        }
        let names: Vec<String> = held.shares.keys().filter(|name| keep.get(name).is_zero()).cloned().collect();
        for name in names {
            if let Some(taken) = held.shares.remove(&name) {
                self.change_shares(&name, &taken, |free, share| free + share);
            }
        }
        held.amounts.subtract(&surplus);
        self.free.add(&surplus);
    }

    /// Makes CPUs of a blocked worker free.
    pub(crate) fn lend_cpus(&mut self, amount: Amount) {
        self.free.set(CPU, self.free.get(CPU) + amount);
    }

    /// Takes lent CPUs back; the ledger may go below zero, then nothing is granted until others finish.
    pub(crate) fn take_back_cpus(&mut self, amount: Amount) {
        self.free.set(CPU, self.free.get(CPU) - amount);
    }

    fn change_shares(&mut self, name: &str, taken: &[(u32, Amount)], change: impl Fn(Amount, Amount) -> Amount) {
        let Some(instances) = self.instances.get_mut(name) else {
            return;
        };
        for (index, share) in taken {
            if let Some(free) = instances.get_mut(*index as usize) {
                *free = change(*free, *share);
            }
        }
    }
}

/// Whole instances for the whole part, and for the rest the instance that it fills best.
fn pick_instances(instances: &[Amount], amount: Amount, overlap: bool) -> Option<Vec<(u32, Amount)>> {
    let one = Amount::whole(1);
    let mut taken = Vec::new();
    let mut left = amount;
    for (index, _) in instances.iter().enumerate().filter(|(_, free)| **free == one) {
        if left < one {
            break;
        }
        taken.push((index as u32, one));
        left = left - one;
    }
    if left.is_zero() {
        return Some(taken);
    }
    let untaken = |index: &usize| taken.iter().all(|(other, _)| *other as usize != *index);
    let best = instances
        .iter()
        .enumerate()
        .filter(|(index, free)| (**free >= left || overlap) && untaken(index))
        .min_by_key(|(_, free)| **free)?;
    if left > one {
        return None;
    }
    taken.push((best.0 as u32, left));
    Some(taken)
}
