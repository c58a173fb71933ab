//! Placement groups over many nodes: which bundle goes where.

use crate::pack_greedy::{pack_few, pack_many};
use crate::pack_matching::pack_apart;
use crate::problem::{Candidate, PackRequest, Problem, Strategy};
use crate::{Seat, View, describe};
use std::collections::BTreeSet;
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// Candidates looked at beside one for each bundle.
const SPARE_CANDIDATES: usize = 64;

/// Why bundles cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackFailure {
    /// There is no room now; there would be if others ended.
    Waits,
    /// The nodes there are will never do. Why, for people.
    Never(String),
}

impl View {
    /// PACK-1: the node of each bundle. The same view gives the same answer.
    pub fn pack_bundles(&self, request: PackRequest<'_>) -> Result<Vec<NodeId>, PackFailure> {
        if request.bundles.is_empty() {
            return Ok(Vec::new());
        }
        let solve = |is_empty: bool| {
            let mut problem = self.problem(request, is_empty);
            let found = match request.strategy {
                Strategy::StrictPack => pack_on_one(&problem),
                Strategy::StrictSpread => pack_apart(&problem),
                Strategy::Pack => pack_on_one(&problem).or_else(|| pack_few(&mut problem)),
                Strategy::Spread => pack_apart(&problem).or_else(|| pack_many(&mut problem)),
            };
            let node = |candidate: usize| problem.candidates[candidate].seat.node();
            found.map(|places| places.into_iter().map(node).collect())
        };
        if let Some(nodes) = solve(false) {
            return Ok(nodes);
        }
        let could: Option<Vec<NodeId>> = solve(true);
        Err(could.map_or_else(|| PackFailure::Never(self.why_never(&request)), |_| PackFailure::Waits))
    }

    /// The nodes that matter: of each kind of bundle, those with most room. With one for each bundle nothing is lost for STRICT_SPREAD,
    /// because a bundle with so many choices can be placed after all others.
    fn problem<'a>(&'a self, request: PackRequest<'a>, is_empty: bool) -> Problem<'a> {
        let most = request.bundles.len() + request.taken.len() + SPARE_CANDIDATES;
        let mut places: BTreeSet<NodeId> = BTreeSet::new();
        let mut kinds: BTreeSet<(&ResourceSet, Option<&str>)> = BTreeSet::new();
        for (index, bundle) in request.bundles.iter().enumerate() {
            let selectors = request.selectors(index);
            if !kinds.insert((bundle, selectors)) {
                continue;
            }
            let Some((line, amount)) = self.index.line(bundle) else {
                continue;
            };
            let least = (amount, 0);
            let by_room = line.calm.range(least..).rev().chain(line.busy.range(least..).rev());
            let walk: Box<dyn Iterator<Item = &(_, u32)>> =
                if is_empty { Box::new(line.whole.range(least..).rev()) } else { Box::new(by_room) };
            let seats = walk.filter_map(|(_, place)| self.at(*place));
            let room = |seat: &Seat| if is_empty { seat.state.total.clone() } else { seat.available.clone() };
            let suits = seats.filter(|seat| room(seat).covers(bundle) && seat.has_labels(selectors));
            places.extend(suits.take(most).map(Seat::node));
        }
        places.extend(request.taken.iter().chain(&request.target).copied());
        let candidate = |seat: &'a Seat| Candidate {
            room: if is_empty { seat.state.total.clone() } else { seat.available.clone() },
            bundles: request.taken.iter().filter(|node| **node == seat.node()).count() as u32,
            seat,
        };
        let seats = places.iter().filter_map(|node| self.get(*node)).filter(|seat| !seat.state.is_draining);
        let mut candidates: Vec<Candidate<'a>> = seats.map(candidate).collect();
        candidates.sort_by_key(|candidate| {
            let is_target = Some(candidate.seat.node()) == request.target;
            (!is_target, candidate.seat.has_devices, candidate.seat.load, candidate.seat.node())
        });
        let mut order: Vec<usize> = (0..request.bundles.len()).collect();
        let size = |bundle: &usize| {
            let amounts = &request.bundles[*bundle];
            (amounts.iter().count(), amounts.iter().map(|(_, amount)| amount).max())
        };
        order.sort_by(|left, right| size(right).cmp(&size(left)).then(left.cmp(right)));
        Problem { request, candidates, order, defects: self.defects }
    }

    fn why_never(&self, request: &PackRequest<'_>) -> String {
        let count = request.bundles.len();
        for (index, bundle) in request.bundles.iter().enumerate() {
            let demand = crate::Demand {
                labels: request.selectors(index).map(str::to_owned),
                ..crate::Demand::plain(bundle.clone())
            };
            if !self.is_feasible(&demand, bundle) {
                return format!("cannot be placed: bundle {index} {}", self.explain(&demand, &[]));
            }
        }
        let nodes = self.len();
        match request.strategy {
            Strategy::StrictSpread => format!(
                "has {count} bundles that must be on different nodes (STRICT_SPREAD), more than suit of the {nodes} nodes. It \
                 waits until enough nodes join; use SPREAD, or PACK, to let bundles share a node."
            ),
            Strategy::StrictPack => {
                let mut sum = ResourceSet::new();
                request.bundles.iter().for_each(|bundle| sum.add(bundle));
                format!(
                    "has bundles that must be on one node (STRICT_PACK), {} in all, and none of the {nodes} nodes has so much. It \
                     waits until such a node joins; use PACK to let bundles be on several nodes.",
                    describe(&sum)
                )
            }
            _ => format!(
                "has {count} bundles, more than the {nodes} nodes can hold together. It waits until nodes join; ask for fewer or \
                 smaller bundles."
            ),
        }
    }
}

/// All bundles on one node: with the group's others, if there are any.
fn pack_on_one(problem: &Problem<'_>) -> Option<Vec<usize>> {
    let request = &problem.request;
    let mut sum = ResourceSet::new();
    request.bundles.iter().for_each(|bundle| sum.add(bundle));
    let has_others = !request.taken.is_empty();
    let has_room = |room: &ResourceSet| match problem.defects.sums_ignored {
        true => request.bundles.iter().all(|bundle| room.covers(bundle)),
        false => room.covers(&sum),
    };
    let suits = |(_, candidate): &(usize, &Candidate<'_>)| {
        has_room(&candidate.room)
            && (!has_others || candidate.bundles > 0)
            && (0..request.bundles.len()).all(|bundle| candidate.seat.has_labels(request.selectors(bundle)))
    };
    let (place, _) = problem.candidates.iter().enumerate().find(suits)?;
    Some(vec![place; request.bundles.len()])
}
