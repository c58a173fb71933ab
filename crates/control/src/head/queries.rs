//! Questions about the cluster, answered in JSON.

use crate::head::Head;
use crate::head::node_table::NodeEntry;
use crate::head::plan::Plan;
use crate::json::{array, hex, object, string};
use std::collections::BTreeMap;
use trygon_control_core::{Actor, Group, GroupState};
use trygon_ids::PlacementGroupId;
use trygon_proto::control::{StateQuery, StateReply};
use trygon_resources::{Amount, ResourceSet};

impl Head {
    /// Answers one question.
    pub(super) fn on_query(&self, query: StateQuery) -> StateReply {
        let argument = query.argument.as_str();
        let answer = match query.what.as_str() {
            "nodes" => Some(array(self.nodes.iter().map(|(id, node)| node_json(node, self.is_fenced(*id))))),
            "cluster_resources" => Some(resources_json(&self.sum(|node| &node.total))),
            "available_resources" => Some(resources_json(&self.sum(|node| &node.free))),
            "named_actors" => Some(self.names_json(argument)),
            "actors" => Some(array(self.actors.iter().map(|(_, actor)| self.actor_json(actor)))),
            "placement_groups" => Some(self.groups_json(argument)),
            "jobs" => Some(self.jobs_json()),
            "demand" => Some(self.demand_json()),
            "explain" => Some(self.explain_json(argument)),
            _ => None,
        };
        let error = if answer.is_some() { String::new() } else { format!("nothing is known about {:?}", query.what) };
        StateReply { request_id: query.request_id, json: answer.unwrap_or_default(), error }
    }

    fn sum(&self, of: impl Fn(&NodeEntry) -> &ResourceSet) -> ResourceSet {
        let mut total: BTreeMap<String, Amount> = BTreeMap::new();
        for (_, node) in self.nodes.iter().filter(|(_, node)| node.view.state != "dead") {
            for (name, amount) in of(node).iter() {
                let sum = total.entry(name.to_owned()).or_insert(Amount::ZERO);
                *sum = *sum + amount;
            }
        }
        total.into_iter().collect()
    }

    fn names_json(&self, namespace: &str) -> String {
        let names = self.actors.names().filter(|(other, _)| namespace.is_empty() || *other == namespace);
        array(names.map(|(namespace, name)| object([("name", string(name)), ("namespace", string(namespace))])))
    }

    fn actor_json(&self, actor: &Actor) -> String {
        let pid = actor.worker().and_then(|worker| self.pids.get(&worker)).copied().unwrap_or(0);
        object([
            ("actor_id", hex(actor.spec.actor.as_bytes())),
            ("class_name", string(&actor.spec.class_name)),
            ("name", string(&actor.spec.name)),
            ("namespace", string(&actor.spec.namespace)),
            ("state", string(actor.state_name())),
            ("incarnation", actor.incarnation.to_string()),
            ("pid", pid.to_string()),
            ("death", string(actor.death().map_or("", |death| &death.message))),
            ("waits", string(&actor.waits)),
        ])
    }

    /// All groups, or the one that the argument names by its id in hexadecimal, or by namespace, line feed and name.
    fn groups_json(&self, argument: &str) -> String {
        if let Some((namespace, name)) = argument.split_once('\n') {
            return array(self.groups.named(namespace, name).map(|group| self.group_json(group)));
        }
        let wanted = |id: &PlacementGroupId| argument.is_empty() || id.hex() == argument;
        array(self.groups.iter().filter(|(id, _)| wanted(id)).map(|(_, group)| self.group_json(group)))
    }

    fn group_json(&self, group: &Group) -> String {
        let is_placed = group.reserved_us > 0;
        let plan = self.plans.get(&group.spec.group);
        let first = plan.and_then(|plan| plan.held().next()).map(|(_, node)| node);
        let node = self.group_node.get(&group.spec.group).filter(|_| is_placed).copied().or(first);
        let nodes = plan.map(Plan::bundle_nodes).unwrap_or_default();
        let state = match group.state {
            GroupState::Pending { .. } if is_placed => "RESCHEDULING",
            _ => group.state_name(),
        };
        let waited_us = group.reserved_us.saturating_sub(group.asked_us);
        let waits = if let GroupState::Pending { waits } = &group.state { waits.as_str() } else { "" };
        object([
            ("placement_group_id", hex(group.spec.group.as_bytes())),
            ("name", string(&group.spec.name)),
            ("namespace", string(&group.spec.namespace)),
            ("bundles", array(group.spec.bundles.iter().map(resources_json))),
            ("node_id", node.map_or_else(|| string(""), |node| hex(node.as_bytes()))),
            ("bundle_nodes", array(nodes.iter().map(|node| hex(node)))),
            ("strategy", string(group.spec.strategy.name())),
            ("state", string(state)),
            ("scheduling_state", string(group.scheduling_state())),
            ("waits", string(waits)),
            ("is_placed", is_placed.to_string()),
            ("latency_us", waited_us.to_string()),
            ("is_detached", group.spec.detached.to_string()),
        ])
    }

    fn jobs_json(&self) -> String {
        array(self.jobs.iter().chain(&self.lingering).map(|(id, job)| {
            object([
                ("job_id", hex(id.as_bytes())),
                ("namespace", string(&job.namespace)),
                ("driver_pid", job.driver_pid.to_string()),
                ("entrypoint", string(&job.argv.join(" "))),
                ("python_version", string(&job.python_version)),
                ("weight", format!("{:?}", if job.weight == 0.0 { 1.0 } else { job.weight })),
            ])
        }))
    }
}

fn node_json(node: &NodeEntry, is_fenced: bool) -> String {
    let view = &node.view;
    let labels: BTreeMap<&String, &String> = view.labels.iter().collect();
    object([
        ("NodeID", hex(&view.node_id)),
        ("NodeNumber", view.node_number.to_string()),
        ("NodeName", string(&node.name)),
        ("Fenced", is_fenced.to_string()),
        ("Alive", (view.state != "dead").to_string()),
        ("State", string(&view.state)),
        ("NodeManagerAddress", string(view.address.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host))),
        ("NodeManagerPort", view.address.rsplit_once(':').map_or("0", |(_, port)| port).to_owned()),
        ("NodeManagerHostname", string(&view.hostname)),
        ("Resources", resources_json(&node.total)),
        ("Free", resources_json(&node.free)),
        ("Waiting", view.waiting.to_string()),
        ("DeathReason", string(&view.message)),
        ("Labels", object(labels.iter().map(|(key, value)| (key.as_str(), string(value))))),
        ("DaemonPid", node.daemon_pid.to_string()),
    ])
}

/// Named amounts.
pub(super) fn resources_json(resources: &ResourceSet) -> String {
    object(resources.iter().map(|(name, amount)| (name, format!("{:?}", amount.as_f64()))))
}
