//! The default choice: a node that is less than half full and has just enough, else the emptiest.
//!
//! Nodes are walked in the order of what they have free of the rarest resource that is wanted, so that a few dozen looks are enough among
//! ten thousand. Only when none of those fits does the walk go on: to the end, so that a node which fits is found if there is one.

use crate::seat::is_wanted_device;
use crate::{Demand, Seat, View, labels};
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// After so many looks the best node found is taken.
const LOOKS: usize = 64;
/// So many nodes that fit are compared: among several that are equal, different askers choose different ones.
const COMPARED: usize = 8;
/// A label that at most one node in so many has leads to these nodes faster than their resources do.
const RARE_LABEL: usize = 8;

/// What a node is picked for.
#[derive(Clone, Copy)]
pub struct Pick<'a> {
    /// What is needed.
    pub demand: &'a Demand,
    /// Its amounts, under the names that nodes have them under.
    pub named: &'a ResourceSet,
    /// Tells askers apart.
    pub salt: u64,
    /// Nodes that are not to be picked.
    pub skip: &'a dyn Fn(&Seat) -> bool,
}

/// Lower is better: it has accelerators that are not needed, it is half full, how full, chance.
type Rank = (bool, bool, u16, u64);

impl View {
    /// A node that has room now.
    pub fn pick(&self, pick: &Pick<'_>) -> Option<&Seat> {
        if let Some(node) = &pick.demand.node {
            return self.get(crate::node_id(node)?).filter(|seat| self.fits(seat, pick));
        }
        let wishes = &pick.demand.wishes;
        if let Some(seat) = wishes.near.and_then(|node| self.get(node)).filter(|seat| self.fits(seat, pick)) {
            return Some(seat);
        }
        let wished = wishes.soft_labels.as_deref().and_then(|labels| self.pick_labelled(pick, Some(labels)));
        wished.or_else(|| self.pick_labelled(pick, None))
    }

    /// A node that has room now and the labels that are needed, with these besides.
    pub fn pick_labelled(&self, pick: &Pick<'_>, besides: Option<&str>) -> Option<&Seat> {
        let alternatives = labels::alternatives(pick.demand.labels.as_deref().unwrap_or_default());
        for wanted in alternatives {
            let fits = |seat: &Seat| {
                seat.available.covers(pick.named)
                    && seat.has_labels(Some(wanted))
                    && seat.has_labels(besides)
                    && !(pick.skip)(seat)
            };
            let (line, amount) = self.index.line(pick.named)?;
            let least = (amount, 0);
            let found = match self.rare_places(wanted, line.whole.len()) {
                Some(places) => self.best(places.iter().copied(), pick, fits),
                None => {
                    let calm = line.calm.range(least..);
                    let walk = calm.chain(line.busy.range(least..).rev()).map(|(_, place)| *place);
                    self.best(walk, pick, fits)
                }
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// A node that would have room if nothing ran there.
    pub fn pick_feasible(&self, pick: &Pick<'_>) -> Option<&Seat> {
        let labels = pick.demand.labels.as_deref();
        let could = |seat: &Seat| seat.state.total.covers(pick.named) && seat.has_labels(labels) && !(pick.skip)(seat);
        if let Some(node) = &pick.demand.node {
            return self.get(crate::node_id(node)?).filter(|seat| !seat.state.is_draining && could(seat));
        }
        let (line, amount) = self.index.line(pick.named)?;
        self.best(line.whole.range((amount, 0)..).map(|(_, place)| *place), pick, could)
    }

    /// The first node at or after the place `from` that has room now, and its place: for taking turns.
    pub fn pick_in_turn(&self, pick: &Pick<'_>, from: u32) -> Option<(u32, &Seat)> {
        let (line, amount) = self.index.line(pick.named)?;
        let least = (amount, 0);
        // On a full cluster nobody is asked one by one.
        line.calm.range(least..).next().or_else(|| line.busy.range(least..).next())?;
        let places = from..self.seats.len() as u32;
        places.filter_map(|place| Some((place, self.at(place)?))).find(|(_, seat)| self.fits(seat, pick))
    }

    /// Whether a node has room now, and is what is wanted.
    pub fn fits(&self, seat: &Seat, pick: &Pick<'_>) -> bool {
        !seat.state.is_draining
            && seat.available.covers(pick.named)
            && seat.has_labels(pick.demand.labels.as_deref())
            && !seat.is_other_than(pick.demand)
            && !(pick.skip)(seat)
    }

    /// The nodes with a label that is needed, if they are few.
    fn rare_places(&self, wanted: &str, all: usize) -> Option<&std::collections::BTreeSet<u32>> {
        let labelled = labels::required(wanted).filter_map(|(key, value)| self.index.labelled(key, value));
        labelled.min_by_key(|places| places.len()).filter(|places| places.len() * RARE_LABEL <= all)
    }

    fn best(&self, places: impl Iterator<Item = u32>, pick: &Pick<'_>, fits: impl Fn(&Seat) -> bool) -> Option<&Seat> {
        let needs_devices = is_wanted_device(pick.named);
        let (mut best, mut compared): (Option<(Rank, &Seat)>, usize) = (None, 0);
        for (looks, place) in places.enumerate() {
            if compared >= COMPARED || (looks >= LOOKS && best.is_some()) {
                break;
            }
            let Some(seat) = self.at(place).filter(|seat| fits(seat)) else {
                continue;
            };
            let wastes = seat.has_devices && !needs_devices;
            let load = if seat.is_calm() { 0 } else { seat.load / 32 };
            let rank = (wastes, !seat.is_calm(), load, mix(pick.salt ^ u64::from(place)));
            compared += usize::from(!wastes);
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, seat));
            }
        }
        best.map(|(_, seat)| seat)
    }

    /// Whether any node could ever hold this.
    pub fn is_feasible(&self, demand: &Demand, named: &ResourceSet) -> bool {
        self.pick_feasible(&Pick { demand, named, salt: 0, skip: &|_| false }).is_some()
    }

    /// The node that a demand is bound to, if it is known.
    pub fn bound_to(&self, demand: &Demand) -> Option<NodeId> {
        demand.node.as_deref().and_then(crate::node_id).filter(|node| self.get(*node).is_some())
    }
}

/// Spreads numbers that lie close together.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
