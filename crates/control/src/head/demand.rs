//! What waits in the whole cluster: what an autoscaler reads, and whoever wonders.

use crate::head::Head;
use crate::head::queries::resources_json;
use crate::json::{array, object, string};
use crate::translate::resource_set;
use std::collections::BTreeMap;
use trygon_ids::ActorId;
use trygon_resources::ResourceSet;

/// Kinds of demand in an answer; the rest is in the last one's count of those left out.
const MOST_KINDS: usize = 1_000;

/// What waits, and is the same: its kind, what it needs, its name and why it waits.
pub(super) type Kind<'a> = (&'static str, Vec<ResourceSet>, &'a str, &'a str);

impl Head {
    /// Demand that waits, with how many of each.
    pub(super) fn demand(&self) -> BTreeMap<Kind<'_>, usize> {
        let mut demand: BTreeMap<Kind<'_>, usize> = BTreeMap::new();
        for (_, node) in self.nodes.iter() {
            for waiting in &node.load.waiting {
                let needs = vec![resource_set(&waiting.resources)];
                *demand.entry(("tasks", needs, &waiting.name, &waiting.message)).or_default() += waiting.count as usize;
            }
        }
        let lines = self.homeless.shapes().map(|(shape, _)| (shape, &self.homeless));
        let lines = lines.chain(self.waiting.shapes().map(|(shape, _)| (shape, &self.waiting)));
        for (shape, waiters) in lines {
            for actor in waiters.of(shape) {
                self.add_actor(actor, shape, &mut demand);
            }
        }
        for actor in self.awaiting_group.values().flatten() {
            if let Some(entry) = self.actors.get(*actor) {
                self.add_actor(*actor, &entry.spec.placement, &mut demand);
            }
        }
        for actor in self.resting.actors() {
            if let Some(entry) = self.actors.get(actor) {
                self.add_actor(actor, &entry.spec.placement, &mut demand);
            }
        }
        for (_, group) in &self.waiting_groups {
            let Some(entry) = self.groups.get(*group) else {
                continue;
            };
            let plan = self.plans.get(group);
            let missing = plan.map_or_else(|| (0..entry.spec.bundles.len()).collect(), |plan| plan.missing());
            let bundles = missing.into_iter().map(|index| entry.spec.bundles[index].clone()).collect();
            *demand.entry(("placement_group", bundles, entry.spec.strategy.name(), entry.waits())).or_default() += 1;
        }
        demand
    }

    fn add_actor<'a>(&'a self, actor: ActorId, shape: &ResourceSet, demand: &mut BTreeMap<Kind<'a>, usize>) {
        if let Some(entry) = self.actors.get(actor) {
            let kind = ("actors", vec![shape.clone()], entry.spec.class_name.as_str(), entry.waits.as_str());
            *demand.entry(kind).or_default() += 1;
        }
    }

    pub(super) fn demand_json(&self) -> String {
        array(self.demand().into_iter().take(MOST_KINDS).map(|((kind, needs, name, why), count)| {
            object([
                ("kind", string(kind)),
                ("needs", array(needs.iter().map(resources_json))),
                ("count", count.to_string()),
                ("name", string(name)),
                ("why", string(why)),
            ])
        }))
    }
}
