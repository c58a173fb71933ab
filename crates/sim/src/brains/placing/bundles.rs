//! PACK-1: what is found is right, and what could be found is.

use crate::brains::placing::model::Model;
use std::collections::BTreeMap;
use trygon_ids::NodeId;
use trygon_placement::{PackRequest, Strategy, View};
use trygon_resources::ResourceSet;

/// The ways in which bundles lie.
pub(super) const STRATEGIES: [Strategy; 4] =
    [Strategy::Pack, Strategy::Spread, Strategy::StrictPack, Strategy::StrictSpread];

/// Why bundles may not go there, if they may not.
fn wrong(model: &Model, request: &PackRequest<'_>, nodes: &[NodeId]) -> Option<String> {
    let mut sums: BTreeMap<NodeId, ResourceSet> = BTreeMap::new();
    for (bundle, node) in request.bundles.iter().zip(nodes) {
        sums.entry(*node).or_default().add(bundle);
    }
    for (node, sum) in &sums {
        match model.get(node) {
            None => return Some(format!("VIEW-2: bundles are placed on node {node}, which is gone")),
            Some(known) if known.state.is_draining => {
                return Some(format!("VIEW-2: bundles are placed on node {node}, which drains"));
            }
            Some(known) if !known.available().covers(sum) => {
                return Some(format!(
                    "PACK-1: bundles that need {sum:?} are placed on node {node} with {:?}",
                    known.available()
                ));
            }
            Some(_) => {}
        }
    }
    let has_others = |node: &NodeId| request.taken.contains(node);
    match request.strategy {
        Strategy::StrictPack if sums.len() > 1 || (!request.taken.is_empty() && !sums.keys().all(has_others)) => {
            Some("PACK-1: STRICT_PACK, and the group is on several nodes".to_owned())
        }
        Strategy::StrictSpread if sums.len() < request.bundles.len() || sums.keys().any(has_others) => {
            Some("PACK-1: STRICT_SPREAD, and two bundles of the group are on one node".to_owned())
        }
        _ => None,
    }
}

/// Whether there is a way to place the bundles: every one is tried.
fn is_possible(model: &Model, request: &PackRequest<'_>) -> bool {
    let nodes: Vec<NodeId> = model.keys().copied().collect();
    let ways = nodes.len().pow(request.bundles.len() as u32);
    let way = |number: usize| -> Vec<NodeId> {
        (0..request.bundles.len()).map(|place| nodes[number / nodes.len().pow(place as u32) % nodes.len()]).collect()
    };
    (0..ways).any(|number| wrong(model, request, &way(number)).is_none())
}

/// Places the bundles, and compares with trying everything.
pub(super) fn check(view: &View, model: &Model, request: PackRequest<'_>) -> Result<(), String> {
    let could = !model.is_empty() && is_possible(model, &request);
    match view.pack_bundles(request) {
        Ok(nodes) if nodes.len() != request.bundles.len() => Err("PACK-1: some bundles have no place".to_owned()),
        Ok(nodes) => wrong(model, &request, &nodes).map_or(Ok(()), Err),
        Err(_) if could => {
            let (bundles, strategy) = (request.bundles, request.strategy);
            Err(format!("PACK-1: no place is found for {bundles:?} ({strategy:?}), and there is one"))
        }
        Err(_) => Ok(()),
    }
}
