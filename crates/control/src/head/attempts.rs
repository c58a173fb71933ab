//! Placement groups over several nodes, in two phases: every node holds its bundles, then all may be used.
//!
//! - **GROUP-4** a bundle may be used on one node at most, and a group is created only when all its bundles may be used.
//! - **GROUP-5** what an attempt held goes back when the attempt fails; an answer that comes after that is answered with a return.
//! - **GROUP-6** when a node is gone, its bundles are placed again; the others stay.

use crate::head::groups_alone::{indexed, name_of};
use crate::head::node_table::Settled;
use crate::head::plan::{Answer, BundlePlace, Plan};
use crate::head::{Head, Out};
use crate::translate::{group_id, resource_set};
use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::{GroupState, Strategy};
use trygon_ids::{NodeId, PlacementGroupId};
use trygon_placement::{PackFailure, PackRequest};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{BundlesPrepared, CommitBundles, PrepareBundles, ReleaseGroup};
use trygon_resources::ResourceSet;

/// Groups that find no room in one go, after which others wait for the next one.
const MOST_FAILURES: usize = 256;

impl Head {
    /// First phase: asks nodes for the bundles that have no place. False: there is no room.
    pub(super) fn attempt(&mut self, group: PlacementGroupId, out: &mut Out) {
        let Some(entry) = self.groups.get(group).filter(|entry| matches!(entry.state, GroupState::Pending { .. }))
        else {
            return;
        };
        let spec = &entry.spec;
        let plan = self.plans.entry(group).or_insert_with(|| Plan::new(spec.bundles.len()));
        if !plan.asked.is_empty() {
            return;
        }
        let missing = plan.missing();
        let bundles: Vec<ResourceSet> = missing.iter().map(|index| spec.bundles[*index].clone()).collect();
        let taken: Vec<NodeId> = plan.held().map(|(_, node)| node).collect();
        let selectors = |index: &usize| spec.labels.get(*index).filter(|text| !text.is_empty()).cloned();
        let labels: Vec<Option<String>> = missing.iter().map(selectors).collect();
        let request = PackRequest {
            bundles: &bundles,
            strategy: strategy(spec.strategy),
            labels: &labels,
            taken: &taken,
            target: spec.target.or_else(|| self.nodes.of_worker(spec.creator)),
        };
        let nodes = match self.view.pack_bundles(request) {
            Ok(nodes) => nodes,
            Err(failure) => {
                let why = match failure {
                    PackFailure::Waits => String::new(),
                    PackFailure::Never(why) => format!("{} {why}", name_of(spec)),
                };
                self.waiting_groups.insert((entry.asked_us, group));
                if !why.is_empty() && plan.told != why {
                    plan.told.clone_from(&why);
                    self.tell_driver_of(group, why.clone(), out);
                }
                return self.groups.note_waits(group, why);
            }
        };
        self.waiting_groups.remove(&(entry.asked_us, group));
        plan.attempt += 1;
        for (index, node) in missing.iter().zip(&nodes) {
            plan.bundles[*index] = BundlePlace::Asked(*node);
            plan.asked.insert(*node, Answer::Open);
            self.view.ask(*node, &spec.bundles[*index], 1);
        }
        self.groups.note_waits(group, String::new());
        for node in nodes.into_iter().collect::<BTreeSet<NodeId>>() {
            self.tell_prepare(node, group, out);
        }
    }

    /// Asks a node for what the present attempt wants of it. Asking twice holds once.
    pub(super) fn tell_prepare(&self, node: NodeId, group: PlacementGroupId, out: &mut Out) {
        let (Some(entry), Some(plan)) = (self.groups.get(group), self.plans.get(&group)) else {
            return;
        };
        let spec = &entry.spec;
        let message = PrepareBundles {
            group_id: group.as_bytes().to_vec(),
            attempt: plan.attempt,
            bundles: plan.asked_of(node).map(|index| indexed((index, &spec.bundles[index]))).collect(),
            creator: spec.creator.as_bytes().to_vec(),
            name: name_of(spec),
        };
        Self::tell(node, Body::PrepareBundles(message), out);
    }

    pub(super) fn on_bundles_prepared(&mut self, node: NodeId, message: BundlesPrepared, out: &mut Out) {
        let (group, attempt) = (group_id(&message.group_id), message.attempt);
        let plan = self.plans.get_mut(&group);
        let is_present = plan.as_ref().is_some_and(|plan| plan.attempt == attempt && plan.asked.contains_key(&node));
        let Some(plan) = plan.filter(|_| is_present) else {
            // GROUP-5
            let is_used = self.plans.get(&group).is_some_and(|plan| plan.holds(node, attempt));
            if message.ok && !is_used && !self.defects.late_kept {
                Self::tell_release(node, group, attempt, out);
            }
            return;
        };
        if message.ok {
            let loads = self.nodes.by_id.get(&node).map_or(0, |entry| entry.loads);
            if let Some(answer @ Answer::Open) = plan.asked.get_mut(&node) {
                *answer = Answer::Held { loads };
            }
            if !plan.asked.values().any(|answer| *answer == Answer::Open) || self.defects.commits_early {
                self.commit_bundles(group, out);
            }
            return;
        }
        let asked = self.sum_asked(group, node);
        self.abort(group, Some(node), out);
        self.distrust(node, &resource_set(&message.free), &asked);
        self.attempt(group, out);
    }

    fn sum_asked(&self, group: PlacementGroupId, node: NodeId) -> ResourceSet {
        let mut sum = ResourceSet::new();
        if let (Some(entry), Some(plan)) = (self.groups.get(group), self.plans.get(&group)) {
            plan.asked_of(node).for_each(|index| sum.add(&entry.spec.bundles[index]));
        }
        sum
    }

    /// Second phase: GROUP-4.
    fn commit_bundles(&mut self, group: PlacementGroupId, out: &mut Out) {
        let (Some(entry), Some(plan)) = (self.groups.get(group), self.plans.get_mut(&group)) else {
            return;
        };
        let (attempt, asked) = (plan.attempt, std::mem::take(&mut plan.asked));
        let mut used: Vec<(NodeId, ResourceSet)> = Vec::new();
        for (index, place) in plan.bundles.iter_mut().enumerate() {
            if let BundlePlace::Asked(node) = *place {
                *place = BundlePlace::Held { node, attempt };
                used.push((node, entry.spec.bundles[index].clone()));
            }
        }
        for (node, amounts) in used {
            let loads = self.nodes.by_id.get(&node).map_or(0, |entry| entry.loads);
            if asked.get(&node).is_some_and(|answer| *answer == Answer::Held { loads }) {
                self.settle(node, amounts, Settled::Group(group));
            } else {
                self.view.answered(node, &amounts, 1);
            }
        }
        for node in asked.keys() {
            Self::tell(*node, Body::CommitBundles(CommitBundles { group_id: group.as_bytes().to_vec(), attempt }), out);
        }
        if self.plans.get(&group).is_some_and(|plan| !plan.missing().is_empty()) {
            // Meanwhile a node was lost that held others.
            self.tell_news_to_all(group, out);
            self.attempt(group, out);
        } else {
            let mut effects = Vec::new();
            self.groups.on_reserved(group, self.now_us, &mut effects);
            self.note_group(group, "");
            self.tell_news_to_all(group, out);
            self.perform_groups(effects, out);
        }
        self.place_awaiting(group, out);
    }

    /// The present attempt failed: what nodes hold by it goes back. `but` holds nothing.
    pub(super) fn abort(&mut self, group: PlacementGroupId, but: Option<NodeId>, out: &mut Out) {
        let (Some(entry), Some(plan)) = (self.groups.get(group), self.plans.get_mut(&group)) else {
            return;
        };
        for (index, place) in plan.bundles.iter_mut().enumerate() {
            if let BundlePlace::Asked(node) = *place {
                *place = BundlePlace::Nowhere;
                self.view.answered(node, &entry.spec.bundles[index], 1);
            }
        }
        let attempt = plan.attempt;
        for node in std::mem::take(&mut plan.asked).into_keys().filter(|node| Some(*node) != but) {
            if !self.defects.attempt_kept {
                Self::tell_release(node, group, attempt, out);
            }
        }
        self.look_soon();
    }

    /// The group is gone: everything goes back, whatever attempt it is of.
    pub(super) fn release_everywhere(&mut self, group: PlacementGroupId, out: &mut Out) {
        if let Some(entry) = self.groups.get(group) {
            self.waiting_groups.remove(&(entry.asked_us, group));
        }
        let Some(nodes) = self.plans.get(&group).map(Plan::nodes) else {
            return;
        };
        let asked: BTreeMap<NodeId, ResourceSet> =
            nodes.iter().map(|node| (*node, self.sum_asked(group, *node))).collect();
        self.plans.remove(&group);
        for (node, asked) in asked {
            self.view.answered(node, &asked, 1);
            self.unsettle(node, Settled::Group(group));
            Self::tell_release(node, group, 0, out);
        }
        self.look_soon();
    }

    pub(super) fn tell_release(node: NodeId, group: PlacementGroupId, attempt: u32, out: &mut Out) {
        let message = ReleaseGroup { group_id: group.as_bytes().to_vec(), attempt };
        Self::tell(node, Body::ReleaseGroup(message), out);
    }

    /// GROUP-6: a node is gone.
    pub(super) fn replace_bundles_of(&mut self, node: NodeId, out: &mut Out) {
        let touched: Vec<PlacementGroupId> =
            self.plans.iter().filter(|(_, plan)| plan.touches(node)).map(|(group, _)| *group).collect();
        for group in touched.into_iter().filter(|_| !self.defects.bundles_lost).collect::<Vec<_>>() {
            self.lose_bundles(group, node, |_| true, out);
        }
    }

    /// Bundles that a node held, it holds no more; nor what it was asked for.
    pub(super) fn lose_bundles(
        &mut self,
        group: PlacementGroupId,
        node: NodeId,
        is_lost: impl Fn(usize) -> bool,
        out: &mut Out,
    ) {
        if self.plans.get(&group).is_some_and(|plan| plan.asked.contains_key(&node)) {
            let but = Some(node).filter(|node| !self.nodes.is_alive(*node));
            self.abort(group, but, out);
        }
        let Some(plan) = self.plans.get_mut(&group) else {
            return;
        };
        let mut is_any = false;
        for (index, place) in plan.bundles.iter_mut().enumerate() {
            if matches!(place, BundlePlace::Held { node: at, .. } if *at == node) && is_lost(index) {
                *place = BundlePlace::Nowhere;
                is_any = true;
            }
        }
        if is_any {
            self.groups.on_lost(group);
            self.note_group(group, &format!("node {node} has them no more: it ended, or came back without them"));
            self.tell_news_to_all(group, out);
        }
        self.attempt(group, out);
    }

    /// A node takes nothing new: attempts that asked it are made anew without it.
    pub(super) fn ask_others_than(&mut self, node: NodeId, out: &mut Out) {
        let asked: Vec<PlacementGroupId> =
            self.plans.iter().filter(|(_, plan)| plan.asked.contains_key(&node)).map(|(group, _)| *group).collect();
        for group in asked {
            self.abort(group, None, out);
            self.attempt(group, out);
        }
    }

    /// There may be room for groups that wait: of those that want the same, the first one stands for all.
    pub(super) fn try_groups(&mut self, out: &mut Out) {
        let waiting: Vec<PlacementGroupId> = self.waiting_groups.iter().map(|(_, group)| *group).collect();
        let mut failed: BTreeSet<(&'static str, Vec<String>, Vec<ResourceSet>)> = BTreeSet::new();
        for group in waiting {
            let Some(entry) = self.groups.get(group) else {
                continue;
            };
            let spec = &entry.spec;
            let (turn, has_places) =
                ((entry.asked_us, group), self.plans.get(&group).is_some_and(|plan| plan.held().next().is_some()));
            let kind = (spec.strategy.name(), spec.labels.clone(), spec.bundles.clone());
            if !has_places && failed.contains(&kind) {
                continue;
            }
            self.attempt(group, out);
            if self.waiting_groups.contains(&turn) && !has_places {
                failed.insert(kind);
                if failed.len() >= MOST_FAILURES {
                    return;
                }
            }
        }
    }
}

fn strategy(strategy: Strategy) -> trygon_placement::Strategy {
    match strategy {
        Strategy::Pack => trygon_placement::Strategy::Pack,
        Strategy::Spread => trygon_placement::Strategy::Spread,
        Strategy::StrictPack => trygon_placement::Strategy::StrictPack,
        Strategy::StrictSpread => trygon_placement::Strategy::StrictSpread,
    }
}
