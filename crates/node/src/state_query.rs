//! Questions about the node, answered in JSON.

use crate::json::{array, hex, object, string};
use crate::service::Service;
use trygon_control_core::{Actor, TaskEvent};
use trygon_ids::WorkerId;
use trygon_resources::ResourceSet;
use trygon_wire::Kind;
use trygon_wire::control::{StateQuery, StateReply};

impl Service {
    /// Answers one question.
    pub(crate) fn on_state_query(&mut self, from: u64, query: StateQuery) {
        let argument = query.argument.as_str();
        let answer = match query.what.as_str() {
            "nodes" => Some(array([self.node_json()])),
            "cluster_resources" => Some(resources_json(&self.node.total_by_name())),
            "available_resources" => Some(resources_json(&self.node.free_by_name())),
            "named_actors" => Some(self.names_json(argument)),
            "task_events" => Some(self.task_events_json(argument)),
            "actors" => Some(array(self.actors.iter().map(|(_, actor)| self.actor_json(actor)))),
            "placement_groups" => Some(self.groups_json(argument)),
            "workers" => Some(self.workers_json()),
            "leases" => Some(self.leases_json()),
            "store" => Some(self.store_json()),
            _ => None,
        };
        let error = if answer.is_some() { String::new() } else { format!("nothing is known about {:?}", query.what) };
        let reply = StateReply { request_id: query.request_id, json: answer.unwrap_or_default(), error };
        self.send(from, Kind::StateReply, &reply);
    }

    fn node_json(&self) -> String {
        object([
            ("NodeID", hex(self.identity.node_id.as_bytes())),
            ("Alive", "true".to_owned()),
            ("NodeManagerAddress", string(&self.identity.address)),
            ("NodeManagerHostname", string(&hostname())),
            ("Resources", resources_json(&self.node.total_by_name())),
            ("Labels", object(self.node.labels().iter().map(|(key, value)| (key.as_str(), string(value))))),
            ("DaemonPid", std::process::id().to_string()),
        ])
    }

    fn names_json(&self, namespace: &str) -> String {
        let names = self.actors.names().filter(|(other, _)| namespace.is_empty() || *other == namespace);
        array(names.map(|(namespace, name)| object([("name", string(name)), ("namespace", string(namespace))])))
    }

    /// The newest events, as many as the argument says; all when it says nothing.
    fn task_events_json(&self, argument: &str) -> String {
        let wanted = argument.parse().unwrap_or(usize::MAX);
        let skipped = self.task_events.iter().count().saturating_sub(wanted);
        let events = array(self.task_events.iter().skip(skipped).map(task_event_json));
        object([("events", events), ("dropped", self.task_events.dropped().to_string())])
    }

    fn actor_json(&self, actor: &Actor) -> String {
        object([
            ("actor_id", hex(actor.spec.actor.as_bytes())),
            ("class_name", string(&actor.spec.class_name)),
            ("name", string(&actor.spec.name)),
            ("namespace", string(&actor.spec.namespace)),
            ("state", string(actor.state_name())),
            ("incarnation", actor.incarnation.to_string()),
            ("pid", actor.worker().map_or(0, |worker| self.pid_of(worker)).to_string()),
            ("death", string(actor.death().map_or("", |death| &death.message))),
            ("waits", string(&actor.waits)),
        ])
    }

    fn workers_json(&self) -> String {
        array(self.node.worker_views().into_iter().map(|view| {
            object([
                ("worker_id", hex(view.worker.as_bytes())),
                ("state", string(view.life.as_str())),
                ("pid", self.pid_of(view.worker).to_string()),
            ])
        }))
    }

    fn leases_json(&self) -> String {
        let leases = array(self.node.lease_views().into_iter().map(|view| {
            object([
                ("lease_id", view.lease.to_string()),
                ("worker_id", hex(view.worker.as_bytes())),
                ("owner", hex(view.owner.as_bytes())),
                ("name", string(&view.name)),
                ("resources", resources_json(&view.resources)),
                ("blocked", view.blocked.to_string()),
            ])
        }));
        object([("leases", leases), ("waiting", self.node.waiting_leases().to_string())])
    }

    fn pid_of(&self, worker: WorkerId) -> u32 {
        self.processes.get(&self.number_of(worker)).map_or(0, crate::process::Process::pid_number)
    }
}

/// Named amounts.
pub(crate) fn resources_json(resources: &ResourceSet) -> String {
    let members: Vec<(&str, String)> =
        resources.iter().map(|(name, amount)| (name, format!("{:?}", amount.as_f64()))).collect();
    object(members)
}

fn task_event_json(event: &TaskEvent) -> String {
    object([
        ("task_id", hex(&event.task_id)),
        ("name", string(&event.name)),
        ("state", string(&event.state)),
        ("attempt", event.attempt.to_string()),
        ("time_us", event.time_us.to_string()),
        ("duration_us", event.duration_us.to_string()),
        ("worker_id", hex(&event.worker_id)),
        ("error", string(&event.error)),
    ])
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
