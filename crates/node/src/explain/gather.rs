//! Asks the processes of this node, and the other nodes, and answers when all have answered or their time is over.

use crate::explain::digits::{object_of, task_of};
use crate::explain::inquiry::{Asker, Inquiry, MOST_OPEN};
use crate::explain::known::Known;
use crate::explain::{objects, tasks, unknown};
use crate::process::Part;
use crate::service::Service;
use std::collections::BTreeMap;
use trygon_ids::{NodeId, ObjectId, TaskId, WorkerId};
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{AskStory, Story};
use trygon_wire::control::{
    Explain, Explained, HeldFacts, NodeFacts, ProcessFacts, StateQuery, StateReply, TaskEvent, WaitingFacts,
};
use trygon_wire::{Kind, Message, decode};

/// How long a process may take: its thread that reads sockets answers within milliseconds, unless the process is stopped.
const PROCESS_LIMIT_MS: u64 = 2_000;
/// How much longer another node may take than its processes.
const NODE_LIMIT_MS: u64 = 1_000;
/// Fewest digits of an id: with fewer, the one that people mean is likely to be another's.
const LEAST_DIGITS: usize = 8;
/// Events of one task, and functions that hold a node's resources.
const MOST_EVENTS: usize = 20;
const MOST_HELD: usize = 10;

impl Service {
    /// Somebody asks for the story of a task or an object.
    pub(crate) fn on_story_query(&mut self, from: u64, query: &StateQuery) {
        let wanted = query.argument.to_ascii_lowercase();
        let is_digits = wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        let error = if !is_digits || wanted.len() < LEAST_DIGITS || wanted.len() > 2 * ObjectId::LEN {
            format!(
                "{:?} is no id of a task or an object, nor the beginning of one: give {LEAST_DIGITS} to {} hexadecimal digits",
                query.argument,
                2 * ObjectId::LEN
            )
        } else if self.inquiries.open.len() >= MOST_OPEN {
            format!("{MOST_OPEN} such questions are being answered; ask again")
        } else {
            String::new()
        };
        if !error.is_empty() {
            let reply = StateReply { request_id: query.request_id, json: String::new(), error };
            return self.send(from, Kind::StateReply, &reply);
        }
        self.begin_inquiry(wanted, Asker::Process(from, query.request_id), PROCESS_LIMIT_MS);
    }

    /// Another node asks.
    pub(crate) fn on_ask_story(&mut self, node: NodeId, message: AskStory) {
        let limit_ms = u64::from(message.limit_ms).min(PROCESS_LIMIT_MS);
        let is_sound = message.wanted.is_ascii() && message.wanted.len() <= 2 * ObjectId::LEN;
        let may_ask = self.inquiries.open.len() < MOST_OPEN && is_sound;
        if may_ask {
            self.begin_inquiry(message.wanted, Asker::Node(node, message.request_id), limit_ms);
        }
    }

    fn begin_inquiry(&mut self, wanted: String, asker: Asker, limit_ms: u64) {
        let speaks = |process: &crate::process::Process| process.part != Part::Tool && process.pid_number() > 0;
        let processes = self.processes.iter().filter(|(_, process)| speaks(process));
        let awaited = processes.map(|(number, _)| *number).collect();
        let others = match (asker, &self.cluster) {
            (Asker::Process(..), Some(cluster)) => cluster.nodes.ids(),
            _ => Vec::new(),
        };
        let own = self.identity.node_id;
        let nodes: Vec<NodeId> = others.into_iter().filter(|node| *node != own).collect();
        let more_ms = if nodes.is_empty() { 0 } else { NODE_LIMIT_MS };
        let number = self.inquiries.add(Inquiry {
            wanted: wanted.clone(),
            asker,
            until_ms: self.now_ms() + limit_ms + more_ms,
            awaited,
            heard: BTreeMap::new(),
            awaited_nodes: nodes.iter().copied().collect(),
            of_nodes: Vec::new(),
        });
        for node in nodes {
            let (wanted, limit_ms) = (wanted.clone(), limit_ms as u32);
            self.tell_node(node, Body::AskStory(AskStory { request_id: number, wanted, limit_ms }));
        }
        let asked: Vec<u64> = self.inquiries.open[&number].awaited.iter().copied().collect();
        for process in asked {
            self.send(process, Kind::Explain, &Explain { request_id: number, wanted: wanted.clone() });
        }
        self.settle_inquiry(number);
    }

    /// A process answers.
    pub(crate) fn on_explained(&mut self, from: u64, message: Explained) {
        let number = message.request_id;
        if let Some(inquiry) = self.inquiries.open.get_mut(&number)
            && inquiry.awaited.remove(&from)
        {
            inquiry.heard.insert(from, message);
            self.settle_inquiry(number);
        }
    }

    /// Another node answers.
    pub(crate) fn on_story(&mut self, node: NodeId, message: &Story) {
        let Some(inquiry) = self.inquiries.open.get_mut(&message.request_id) else {
            return;
        };
        if inquiry.awaited_nodes.remove(&node) {
            inquiry.of_nodes.extend(decode::<NodeFacts>(&message.facts));
            self.settle_inquiry(message.request_id);
        }
    }

    /// Questions whose time is over are answered with what there is.
    pub(crate) fn on_inquiries_deadline(&mut self) {
        let now_ms = self.now_ms();
        let open = self.inquiries.open.iter();
        let over: Vec<u64> =
            open.filter(|(_, inquiry)| inquiry.until_ms <= now_ms).map(|(number, _)| *number).collect();
        for number in over {
            self.finish_inquiry(number);
        }
    }

    fn settle_inquiry(&mut self, number: u64) {
        let Some(inquiry) = self.inquiries.open.get_mut(&number) else {
            return;
        };
        inquiry.awaited.retain(|process| self.processes.contains_key(process));
        if inquiry.awaited.is_empty() && inquiry.awaited_nodes.is_empty() {
            self.finish_inquiry(number);
        }
    }

    fn finish_inquiry(&mut self, number: u64) {
        let Some(mut inquiry) = self.inquiries.open.remove(&number) else {
            return;
        };
        let own = self.own_facts(&inquiry.wanted, std::mem::take(&mut inquiry.heard));
        match inquiry.asker {
            Asker::Node(node, request_id) => {
                self.tell_node(node, Body::Story(Story { request_id, facts: own.encode_to_vec() }));
            }
            Asker::Process(process, request_id) => {
                let mut nodes = vec![own];
                nodes.append(&mut inquiry.of_nodes);
                let silent = inquiry.awaited_nodes.into_iter().collect();
                let json = self.stories(Known::new(inquiry.wanted, nodes, silent)).to_string();
                self.send(process, Kind::StateReply, &StateReply { request_id, json, error: String::new() });
            }
        }
    }

    fn stories(&self, mut known: Known) -> serde_json::Value {
        for task in known.needs() {
            let named = crate::translate::resource_set(&task.1);
            let judged = self.node.judge(self.identity.node_id, &named);
            known.judged.insert(task.0, judged);
        }
        let numbers = self.cluster.as_ref().map(|cluster| cluster.nodes.numbers());
        known.numbers = numbers.map(|numbers| numbers.lock().clone()).unwrap_or_default();
        let mut stories = tasks::stories(&known);
        stories.extend(objects::stories(&known));
        if stories.is_empty() {
            stories.extend(unknown::story(&known));
        }
        stories.into()
    }

    /// What this node knows, with what its processes said.
    fn own_facts(&self, wanted: &str, mut heard: BTreeMap<u64, Explained>) -> NodeFacts {
        let mut processes: Vec<(u64, &crate::process::Process)> =
            self.processes.iter().map(|(number, process)| (*number, process)).collect();
        processes.retain(|(_, process)| process.part != Part::Tool && process.pid_number() > 0);
        processes.sort_unstable_by_key(|(number, _)| *number);
        let processes = processes.into_iter().map(|(number, process)| {
            let facts = heard.remove(&number);
            let os_state = if facts.is_none() { os_state(process.pid_number()) } else { String::new() };
            ProcessFacts {
                worker_id: process.id.as_bytes().to_vec(),
                pid: process.pid_number(),
                is_driver: process.part == Part::Driver,
                facts,
                os_state,
            }
        });
        let task = task_of(wanted);
        let object = object_of(wanted);
        NodeFacts {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            processes: processes.collect(),
            stored: object.map(|object| self.store.stored_facts(&object)).unwrap_or_default(),
            waiting: task.map(|task| self.waiting_of(&task)).unwrap_or_default(),
            events: task.map(|task| self.events_of(&task)).unwrap_or_default(),
            held: self.held_facts(),
            owner_death: task.and_then(|task| self.death_of_owner(&task)),
        }
    }

    /// Whether the incarnation is that of a process of this node, and which number it has.
    fn own_number(&self, task: &TaskId) -> Option<u64> {
        let owner = task.owner();
        let (salt, number) = owner.as_bytes().split_at(4);
        let number = number.try_into().map(u64::from_be_bytes).ok()?;
        (salt == self.identity.salt).then_some(number)
    }

    fn death_of_owner(&self, task: &TaskId) -> Option<trygon_wire::control::Death> {
        let number = self.own_number(task).filter(|number| !self.processes.contains_key(number))?;
        Some(self.graveyard.cause(number))
    }

    fn waiting_of(&self, task: &TaskId) -> Vec<WaitingFacts> {
        let of_owner = |owner: &WorkerId| owner.as_bytes()[WorkerId::LEN - 8..] == task.owner().as_bytes()[4..];
        let views = self.node.waiting_views().into_iter().filter(|view| of_owner(&view.owner));
        let facts = views.map(|view| WaitingFacts {
            owner: view.owner.as_bytes().to_vec(),
            name: view.name,
            count: view.count,
            needs: view.needs,
            why: view.why.to_owned(),
        });
        facts.collect()
    }

    fn events_of(&self, task: &TaskId) -> Vec<TaskEvent> {
        let events = self.task_events.iter().filter(|event| event.task_id == task.as_bytes());
        let events = events.take(MOST_EVENTS).map(|event| TaskEvent {
            task_id: event.task_id.clone(),
            name: event.name.clone(),
            state: event.state.clone(),
            attempt: event.attempt,
            time_us: event.time_us,
            duration_us: event.duration_us,
            worker_id: event.worker_id.clone(),
            error: event.error.clone(),
        });
        events.collect()
    }

    fn held_facts(&self) -> Vec<HeldFacts> {
        let mut held: BTreeMap<String, HeldFacts> = BTreeMap::new();
        for view in self.node.lease_views() {
            let of_name = held.entry(view.name.clone()).or_default();
            of_name.name = view.name;
            of_name.count += 1;
            for (resource, amount) in view.resources.iter() {
                *of_name.resources.entry(resource.to_owned()).or_default() += amount.as_f64();
            }
        }
        held.into_values().take(MOST_HELD).collect()
    }
}

/// What the system says of a process that does not answer: `stopped` for one under SIGSTOP or a debugger.
fn os_state(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let letter = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    match letter {
        Some('T' | 't') => "stopped",
        Some('D') => "waits for a disk",
        Some('Z') | None => "ended",
        _ => "",
    }
    .to_owned()
}
