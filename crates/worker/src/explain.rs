//! What this process knows of a task or an object, told to the daemon: read from the engine by whichever thread reads the sockets, so that a
//! program that computes is no hindrance. No argument and no value is told.

use crate::engine::Engine;
use crate::running::CallKey;
use crate::work::Work;
use std::sync::atomic::Ordering;
use trygon_ids::{ObjectId, PUT_INDEX_BIT, TaskId, WorkerId};
use trygon_wire::{Kind, control};
use trygon_worker_core::{
    BorrowedView, ErrorView, Fate, ObjectView, Reference, TaskView, Value, error_summary, error_view,
};

/// Things whose ids begin with the same digits that are told of.
const MOST_FOUND: usize = 4;
/// Arguments, objects and borrowers of one thing that are told of.
const MOST_PARTS: usize = 100;

impl Engine {
    /// The daemon asks.
    pub(crate) fn on_explain(&mut self, message: &control::Explain) {
        let explained = self.explained(message.request_id, &message.wanted);
        self.control.send(Kind::Explained, &explained);
        self.control.flush();
    }

    fn explained(&mut self, request_id: u64, wanted: &str) -> control::Explained {
        let mut explained = control::Explained { request_id, ..Default::default() };
        let whole = task_of(wanted);
        let tasks = match whole {
            Some(task) => {
                let fate = self.core.fate(&task);
                match fate {
                    Fate::Over => "over".clone_into(&mut explained.fate),
                    Fate::Never => "never".clone_into(&mut explained.fate),
                    Fate::Known | Fate::Foreign => {}
                }
                explained.past = if fate == Fate::Over { self.past.of(&task) } else { Vec::new() };
                if fate == Fate::Known { vec![task] } else { Vec::new() }
            }
            None => self.core.tasks_beginning(wanted, MOST_FOUND),
        };
        for task in tasks {
            let view = self.core.task_view(&task).map(|view| self.task_facts(&view));
            explained.tasks.extend(view);
            let objects = self.core.object_views(&task);
            let matching = objects.iter().filter(|view| whole.is_none() || is_meant(wanted, &view.object));
            explained.objects.extend(matching.take(MOST_PARTS).map(object_facts));
        }
        let borrowed = self.core.borrowed_beginning(wanted, MOST_PARTS);
        explained.borrowed = borrowed.iter().map(borrowed_facts).collect();
        if let Some(task) = whole {
            explained.running = self.running_facts(&task).into_iter().collect();
        }
        explained
    }

    fn task_facts(&self, view: &TaskView<'_>) -> control::TaskFacts {
        let (error_kind, error_message) = view.error.map(error_facts).unwrap_or_default();
        let missing = |reference: &&Reference| !self.core.value_of(reference).is_some_and(Value::is_ready);
        let waits_for = view.dependencies.iter().filter(missing).take(MOST_PARTS);
        let now_ns = self.clock.now_ns();
        let executor = view.executor.and_then(|peer| self.links.peers.get(peer.0)).filter(|peer| !peer.worker.is_nil());
        let (actor_id, actor_state) =
            view.actor.map_or((Vec::new(), ""), |(id, state)| (id.as_bytes().to_vec(), state));
        control::TaskFacts {
            task_id: view.task.as_bytes().to_vec(),
            name: view.name.to_owned(),
            state: view.state().to_owned(),
            attempt: view.attempt,
            retries_left: view.retries_left,
            past: self.past.of(&view.task),
            waits_for: waits_for.map(|reference| self.argument_facts(reference)).collect(),
            needs: view.needs.cloned().unwrap_or_default(),
            retry_in_ms: view.due_ns.map_or(0, |due_ns| due_ns.saturating_sub(now_ns) / 1_000_000),
            executor: executor.map_or_else(Vec::new, |peer| worker_bytes(&peer.worker)),
            others: view.others,
            actor_id,
            actor_state: actor_state.to_owned(),
            cancelled: view.is_cancelled,
            error_kind,
            error_message,
            is_rebuilding: view.is_rebuilding,
            num_dependencies: view.dependencies.len() as u32,
        }
    }

    fn argument_facts(&self, reference: &Reference) -> control::ArgumentFacts {
        let (name, state) = self.core.maker(&reference.object).unwrap_or_default();
        control::ArgumentFacts {
            object_id: reference.object.as_bytes().to_vec(),
            owner: reference.owner.as_bytes().to_vec(),
            task_name: name.to_owned(),
            state: state.to_owned(),
        }
    }

    /// A task that runs here, or waits for that.
    fn running_facts(&self, task: &TaskId) -> Option<control::RunningFacts> {
        let owner = self.incarnations.iter().find(|(_, incarnation)| **incarnation == task.owner())?.0;
        let peer = *self.peer_of.get(owner)?;
        let task_id = task.as_bytes().to_vec();
        if let Some((attempt, has_begun)) = self.running.look(CallKey::new(peer, task.slot()), task.generation()) {
            let began_ns = self.began_ns.load(Ordering::Relaxed);
            let is_timed = has_begun && began_ns > 0 && self.concurrent_calls == 0 && self.running.is_single();
            return Some(control::RunningFacts {
                task_id,
                attempt,
                has_begun,
                for_us: if is_timed { self.clock.now_ns().saturating_sub(began_ns) / 1000 } else { 0 },
                is_blocked: has_begun && self.blocked,
                behind: 0,
            });
        }
        let mine =
            |work: &&Work| matches!(work, Work::Call(call) if call.peer == peer && call.push.slot == task.slot());
        let behind = self.work.iter().take_while(|work| !mine(work)).count();
        let Some(Work::Call(call)) = self.work.get(behind) else { return None };
        Some(control::RunningFacts {
            task_id,
            attempt: call.push.attempt,
            behind: (behind + self.running.len()) as u32,
            ..Default::default()
        })
    }

    /// Why a value is not there, in one sentence: for the error of whoever gave up waiting.
    pub fn why_not_ready(&self, reference: &Reference) -> String {
        if !self.core.owns(&reference.object) {
            return "another process owns it".to_owned();
        }
        let Some(view) = self.core.task_view(&reference.object.task_id()) else { return String::new() };
        let name = view.name;
        match view.state() {
            "WAITS_FOR_ARGUMENTS" => {
                let missing = |argument: &&Reference| !self.core.value_of(argument).is_some_and(Value::is_ready);
                let first = view.dependencies.iter().find(missing).map(|argument| argument.object.hex());
                format!("task {name} waits for its argument {}", first.unwrap_or_default())
            }
            "WAITS_FOR_LEASE" => {
                let needs = view.needs.into_iter().flatten().filter(|(name, _)| !name.contains(':'));
                let needs: Vec<String> = needs.map(|(name, amount)| format!("{name}: {amount}")).collect();
                let needs = if needs.is_empty() { String::new() } else { format!(" ({})", needs.join(", ")) };
                format!("task {name} waits for a worker{needs}")
            }
            "WAITS_FOR_ACTOR" => {
                let (actor, state) = view.actor.map_or((String::new(), ""), |(id, state)| (id.hex(), state));
                format!("call {name} waits for actor {actor}, which is {}", state.to_lowercase())
            }
            "WAITS_FOR_RETRY" => format!("task {name} waits to be tried again after attempt {}", view.attempt),
            "SENT" => format!("task {name} was sent to its worker and has not ended"),
            _ => String::new(),
        }
    }
}

/// The task whose id, or one of whose objects' ids, this is; none for a beginning.
fn task_of(digits: &str) -> Option<TaskId> {
    let is_whole = digits.len() >= 2 * TaskId::LEN;
    let digits = digits.get(..2 * TaskId::LEN).filter(|_| is_whole)?;
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    TaskId::from_bytes(&bytes?).ok()
}

/// Whether an object is asked for by these digits: its own, or its task's.
fn is_meant(digits: &str, object: &ObjectId) -> bool {
    object.hex().starts_with(digits)
}

fn worker_bytes(worker: &WorkerId) -> Vec<u8> {
    worker.as_bytes().to_vec()
}

fn object_facts(view: &ObjectView<'_>) -> control::ObjectFacts {
    let (error_kind, error_message) = match view.value {
        Value::Error(error) => error_facts(error),
        _ => Default::default(),
    };
    let borrowers = view.borrowers.iter().take(MOST_PARTS);
    control::ObjectFacts {
        object_id: view.object.as_bytes().to_vec(),
        is_put: view.is_put && view.object.index() & PUT_INDEX_BIT != 0,
        state: view.state().to_owned(),
        size_bytes: view.size_bytes(),
        segment_id: if let Value::Stored(location) = view.value { location.segment.0 } else { 0 },
        local_references: view.local_references,
        uses: view.uses,
        borrowers: borrowers
            .map(|(borrower, lends)| control::BorrowerFacts { worker_id: worker_bytes(borrower), lends: *lends })
            .collect(),
        waiters: view.waiters as u32,
        contained: view.contained as u32,
        pins: view.pins,
        no_rebuild: view.no_rebuild.unwrap_or_default().to_owned(),
        lost_reason: view.lost_reason.unwrap_or_default().to_owned(),
        error_kind,
        error_message,
        retries_left: view.retries_left,
    }
}

fn borrowed_facts(view: &BorrowedView<'_>) -> control::BorrowedFacts {
    control::BorrowedFacts {
        object_id: view.reference.object.as_bytes().to_vec(),
        owner: worker_bytes(&view.reference.owner),
        local_references: view.local_references,
        uses: view.uses,
        state: view.value.word().to_owned(),
        is_awaited: view.is_awaited,
    }
}

/// An error's kind and a sentence. What user code raised is told by its summary, where one came with it: the rest is pickled.
fn error_facts(error: &[u8]) -> (String, String) {
    match error_view(error) {
        ErrorView::User(_) => ("user".to_owned(), error_summary(error).unwrap_or_default().to_owned()),
        ErrorView::System { kind, details } => {
            let detail = |wanted: &str| {
                let found = details.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).filter(|text| !text.is_empty())
            };
            let message = detail("message").or_else(|| detail("cause_kind")).unwrap_or_default();
            let kind = match (kind, detail("cause_kind").as_deref()) {
                ("worker_died", Some("memory_limit" | "out_of_memory")) => "out_of_memory",
                ("actor_died", Some("memory_limit" | "out_of_memory")) => "actor_out_of_memory",
                _ => kind,
            };
            (kind.to_owned(), message)
        }
        ErrorView::Malformed => ("system".to_owned(), String::new()),
    }
}
