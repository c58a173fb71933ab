//! Questions about the node, answered in JSON.

use crate::about::{VERSION, hostname};
use crate::cluster::hex_bytes;
use crate::service::Service;
use crate::session::Role;
use trygon_control::json::{array, hex, object, string};
use trygon_control_core::TaskEvent;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_proto::v1::from_process::Request;
use trygon_resources::ResourceSet;
use trygon_wire::Kind;
use trygon_wire::control::{StateQuery, StateReply};

impl Service {
    /// Answers one question.
    pub(crate) fn on_state_query(&mut self, from: u64, query: StateQuery) {
        let argument = query.argument.as_str();
        let is_alone = self.cluster.is_none();
        if query.what == "drain" && self.is_tool(from) && !is_alone {
            return self.on_drain_request(from, &query);
        }
        if query.what == "fence" && self.is_tool(from) && !is_alone {
            return self.on_fence_request(from, &query);
        }
        let answer = match query.what.as_str() {
            // The head of a cluster knows all nodes.
            "nodes" if is_alone => Some(array([self.node_json()])),
            "cluster_resources" if is_alone => Some(resources_json(&self.node.total_by_name())),
            "available_resources" if is_alone => Some(resources_json(&self.node.free_by_name())),
            "task_events" => Some(self.task_events_json(argument)),
            "session" => Some(self.session_json()),
            "waiting" => Some(self.waiting_json()),
            "workers" => Some(self.workers_json()),
            "leases" => Some(self.leases_json()),
            "store" => Some(self.store_json()),
            "objects_in_files" => Some(self.objects_in_files_json(argument)),
            _ => None,
        };
        // What the node does not know, the head does.
        let Some(json) = answer else {
            return self.ask_head(Some(from), Request::StateQuery(query));
        };
        let reply = StateReply { request_id: query.request_id, json, error: String::new() };
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

    /// Empty in the daemon of one program.
    fn session_json(&self) -> String {
        let Some(session) = &self.session else {
            return object([]);
        };
        object([
            ("folder", string(&session.folder.to_string_lossy())),
            ("name", string(&session.name)),
            ("is_head", (session.role == Role::Head).to_string()),
            ("address", string(&session.cluster_address)),
            ("node_address", string(&session.own_address)),
            ("node_id", hex(self.identity.node_id.as_bytes())),
            ("control_pid", self.control_pid().to_string()),
            ("python_version", string(&session.python_version)),
            ("package_version", string(VERSION)),
            ("uptime_ms", self.now_ms().to_string()),
        ])
    }

    fn waiting_json(&self) -> String {
        array(self.node.waiting_views().into_iter().map(|view| {
            object([
                ("owner", hex(view.owner.as_bytes())),
                ("name", string(&view.name)),
                ("count", view.count.to_string()),
                ("needs", string(&view.needs)),
                ("why", string(view.why)),
            ])
        }))
    }

    /// The newest events, as many as the argument says; all when it says nothing.
    fn task_events_json(&self, argument: &str) -> String {
        let wanted = argument.parse().unwrap_or(usize::MAX);
        let skipped = self.task_events.iter().count().saturating_sub(wanted);
        let events = array(self.task_events.iter().skip(skipped).map(task_event_json));
        object([("events", events), ("dropped", self.task_events.dropped().to_string())])
    }

    /// For each line of the argument, an object's id in hexadecimal, segment, offset and size with spaces between them, whether a file of
    /// this node has it.
    fn objects_in_files_json(&self, argument: &str) -> String {
        array(argument.lines().map(|line| {
            let (id, place) = line.split_once(' ').unwrap_or((line, ""));
            let numbers: Vec<u64> = place.split(' ').filter_map(|number| number.parse().ok()).collect();
            let found = match (ObjectId::from_bytes(&hex_bytes(id)), numbers.as_slice()) {
                (Ok(object), [segment, offset_bytes, size_bytes]) => {
                    self.store.has_file(&object, SegmentId(*segment), *offset_bytes, *size_bytes)
                }
                _ => false,
            };
            found.to_string()
        }))
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

    pub(crate) fn pid_of(&self, worker: WorkerId) -> u32 {
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
