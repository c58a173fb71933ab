//! All that was said about one id.

use crate::explain::digits::task_of;
use std::collections::BTreeMap;
use trygon_ids::{NodeId, TaskId};
use trygon_wire::control::{
    AttemptFacts, BorrowedFacts, Death, Explained, HeldFacts, NodeFacts, ObjectFacts, ProcessFacts, RunningFacts,
    StoredFacts, TaskEvent, TaskFacts, WaitingFacts,
};

/// Digits of a node's id that are shown.
const NODE_DIGITS: usize = 12;

/// Why no node gives what a task needs: a sentence when none ever can, and a word about each.
pub(crate) type Judged = (Option<String>, Vec<(NodeId, String)>);

/// The answers of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) wanted: String,
    pub(crate) nodes: Vec<NodeFacts>,
    /// Nodes that did not answer.
    pub(crate) silent: Vec<NodeId>,
    /// By task.
    pub(crate) judged: BTreeMap<Vec<u8>, Judged>,
    /// Nodes by the numbers in segments.
    pub(crate) numbers: BTreeMap<u32, NodeId>,
}

/// A process and its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) process: &'a ProcessFacts,
    pub(crate) node: &'a [u8],
}

impl Known {
    pub(crate) fn new(wanted: String, nodes: Vec<NodeFacts>, silent: Vec<NodeId>) -> Self {
        Self { wanted, nodes, silent, ..Self::default() }
    }

    /// The task that was asked for, or whose object was; none for the beginning of an id.
    pub(crate) fn task(&self) -> Option<TaskId> {
        task_of(&self.wanted)
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = Place<'_>> {
        self.nodes.iter().flat_map(|node| node.processes.iter().map(|process| Place { process, node: &node.node_id }))
    }

    fn said(&self) -> impl Iterator<Item = (Place<'_>, &Explained)> {
        self.processes().filter_map(|place| Some((place, place.process.facts.as_ref()?)))
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = (Place<'_>, &TaskFacts)> {
        self.said().flat_map(|(place, facts)| facts.tasks.iter().map(move |task| (place, task)))
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (Place<'_>, &ObjectFacts)> {
        self.said().flat_map(|(place, facts)| facts.objects.iter().map(move |object| (place, object)))
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (Place<'_>, &RunningFacts)> {
        self.said().flat_map(|(place, facts)| facts.running.iter().map(move |running| (place, running)))
    }

    pub(crate) fn borrowed(&self) -> impl Iterator<Item = (Place<'_>, &BorrowedFacts)> {
        self.said().flat_map(|(place, facts)| facts.borrowed.iter().map(move |borrowed| (place, borrowed)))
    }

    pub(crate) fn stored(&self) -> impl Iterator<Item = (&[u8], &StoredFacts)> {
        self.nodes.iter().flat_map(|node| node.stored.iter().map(|stored| (&*node.node_id, stored)))
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &TaskEvent> {
        self.nodes.iter().flat_map(|node| &node.events)
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&[u8], &WaitingFacts)> {
        self.nodes.iter().flat_map(|node| node.waiting.iter().map(|waiting| (&*node.node_id, waiting)))
    }

    pub(crate) fn held(&self, node: &[u8]) -> &[HeldFacts] {
        self.nodes.iter().find(|facts| facts.node_id == node).map_or(&[], |facts| &facts.held)
    }

    pub(crate) fn owner_death(&self) -> Option<(&[u8], &Death)> {
        self.nodes.iter().find_map(|node| Some((&*node.node_id, node.owner_death.as_ref()?)))
    }

    pub(crate) fn fate(&self) -> &str {
        self.said().map(|(_, facts)| facts.fate.as_str()).find(|fate| !fate.is_empty()).unwrap_or_default()
    }

    pub(crate) fn past(&self) -> &[AttemptFacts] {
        self.said().map(|(_, facts)| &*facts.past).find(|past| !past.is_empty()).unwrap_or_default()
    }

    /// What waiting tasks need, by task.
    pub(crate) fn needs(&self) -> Vec<(Vec<u8>, BTreeMap<String, f64>)> {
        let waiting = self.tasks().filter(|(_, task)| task.state == "WAITS_FOR_LEASE");
        let plain = |needs: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
            let is_plain = |name: &str| !name.starts_with(trygon_ids::NEAR_NODE_NUMBER);
            needs.iter().filter(|(name, _)| is_plain(name)).map(|(name, amount)| (name.clone(), *amount)).collect()
        };
        waiting.map(|(_, task)| (task.task_id.clone(), plain(&task.needs))).collect()
    }

    /// The process with this id, if its node has told of it.
    pub(crate) fn place_of(&self, worker: &[u8]) -> Option<Place<'_>> {
        self.processes().find(|place| place.process.worker_id == worker)
    }

    /// The process that owns what was asked for.
    pub(crate) fn owner(&self) -> Option<Place<'_>> {
        let owner = self.task()?.owner();
        let is_owner = |place: &Place<'_>| {
            let worker = &place.process.worker_id;
            // A process's incarnation is some of its node's id, and its own number.
            worker.len() >= 8
                && place.node.get(20..24) == owner.as_bytes().get(..4)
                && worker.get(worker.len() - 8..) == owner.as_bytes().get(4..)
        };
        self.processes().find(is_owner)
    }

    /// A process as people know it, by its id.
    pub(crate) fn describe(&self, worker: &[u8]) -> String {
        match self.place_of(worker) {
            Some(place) => place.describe(),
            None if worker.is_empty() => "no process".to_owned(),
            None => match self.nodes.iter().find(|node| node.node_id.get(..20) == worker.get(..20)) {
                Some(node) => format!("a process of node {} that is gone", short(&node.node_id)),
                None => "a process of a node that is gone or does not answer".to_owned(),
            },
        }
    }
}

impl Place<'_> {
    /// As people know it.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.process.is_driver { "the program, process" } else { "process" };
        format!("{kind} {} on node {}", self.process.pid, short(self.node))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "pid": self.process.pid,
            "node_id": hex(self.node),
            "worker_id": hex(&self.process.worker_id),
            "is_driver": self.process.is_driver,
        })
    }

    /// Why it said nothing.
    pub(crate) fn silence(&self) -> Option<String> {
        if self.process.facts.is_some() {
            return None;
        }
        let why = match self.process.os_state.as_str() {
            "" => "it is overloaded, or hangs".to_owned(),
            "stopped" => "it is stopped, by SIGSTOP or a debugger".to_owned(),
            "ended" => "it has just ended".to_owned(),
            other => format!("it {other}"),
        };
        Some(format!("{} does not answer: {why}", self.describe()))
    }
}

/// The first digits of an id.
pub(crate) fn short(id: &[u8]) -> String {
    hex(id).chars().take(NODE_DIGITS).collect()
}

/// An id as people have it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
