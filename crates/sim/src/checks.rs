//! What must hold: each value against the plain computation, and everything at the end.

use crate::encoded::{decoded, number_of};
use crate::machines::Machine;
use crate::message::Push;
use crate::plain::Plain;
use crate::world::World;
use trygon_control_core::ActorState;
use trygon_ids::ActorId;
use trygon_worker_core::{ErrorView, PeerIndex, Reference, Value, error_view};

impl World {
    /// An object that somebody got is what the plain computation gives, or an error that a death explains.
    pub(crate) fn compare(&mut self, number: usize, reference: &Reference) {
        self.counts.compared += 1;
        let value = self.processes[number].core.value_of(reference);
        let expected = self.expected.get(&reference.object).map(|plain| &**plain);
        let broken = match (value, expected) {
            (Some(Value::Inline(bytes)), Some(Plain::Value { number: expected, .. })) => {
                let actual = decoded(bytes.as_slice());
                (actual != *expected).then(|| format!("is {actual}, not {expected}"))
            }
            (Some(Value::Stored(location)), Some(Plain::Value { number: expected, .. })) => {
                let actual = self.store.get(&location.segment.0).map(|stored| stored.number);
                let owner_lives = self.processes[number_of(reference.owner)].is_alive;
                let is_lost = self.is_lost(*location);
                (actual != Some(*expected)
                    && (actual.is_some() || (owner_lives && self.counts.deaths == 0 && !is_lost)))
                    .then(|| format!("is {actual:?}, not {expected}"))
            }
            (Some(Value::Error(error)), expected) => match error_view(error) {
                ErrorView::User(mark) => match expected {
                    Some(Plain::Raised(expected)) if decoded(mark) == *expected => None,
                    Some(Plain::Value { .. }) if !self.raised.is_empty() => {
                        Some("raised, and it had an attempt left that would not (RETRY-1)".to_owned())
                    }
                    _ => Some("raised, which it must not".to_owned()),
                },
                ErrorView::System { kind, details } => {
                    self.counts.typed_errors += 1;
                    self.unexplained(kind, &details)
                }
                ErrorView::Malformed => Some("is a malformed error".to_owned()),
            },
            (value, expected) => Some(format!("is {value:?}, not {expected:?}")),
        };
        if let Some(broken) = broken {
            self.fail(format!("process {number}: object {} {broken}", reference.object));
        }
    }

    /// Why an engine's error cannot be; `None` when a death explains it.
    fn unexplained(&self, kind: &str, details: &[(&str, &[u8])]) -> Option<String> {
        let detail = |name: &str| {
            details.iter().find(|(key, _)| *key == name).map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let explained = match kind {
            "owner_died" => detail("owner").is_some_and(|owner| {
                self.processes.iter().any(|process| process.id.hex() == owner && !process.is_alive)
            }),
            // OWN-8: only a task that was begun in its last attempt may end so.
            "worker_died" => {
                let attempt = detail("attempts")
                    .and_then(|attempts| attempts.parse::<u32>().ok())
                    .map_or(0, |attempts| attempts - 1);
                // Without a record, one that was only sent may have been begun.
                let was_begun =
                    self.loses_records() || detail("task_id").is_some_and(|task| self.begun.contains(&(task, attempt)));
                let pid = detail("pid").and_then(|pid| pid.parse::<usize>().ok());
                was_begun && pid.is_some_and(|pid| !self.processes[pid].is_alive)
            }
            // Handles count: without a death nobody who calls has lost one.
            "actor_died" if self.workload.machines > 0 => {
                if detail("message").is_some_and(|message| message.starts_with("the last handle"))
                    && !self.may_be_gone()
                {
                    return Some("failed for its actor's last handle, which its own call held".to_owned());
                }
                let actor = detail("actor_id");
                self.daemon.dead_actors.iter().any(|dead| actor.as_ref().is_some_and(|actor| dead.hex() == *actor))
            }
            "actor_died" => {
                self.actor_of(&detail("actor_id")).is_none_or(|state| matches!(state, ActorState::Dead { .. }))
            }
            // A process that dies between lending a reference on and saying so takes the knowledge of the borrower with it.
            "task_placement_group_removed" => self.removed_groups > 0,
            "cancelled" => self.workload.cancel_percent > 0,
            "actor_unavailable" => self.counts.deaths > 0,
            "object_freed" => self.may_be_gone(),
            "object_reconstruction_failed" => self.counts.losses > 0,
            // A death below leaves a generator without the items that are lost.
            "replay_inconsistent" => self.counts.losses > 0 && self.counts.deaths > 0,
            _ => false,
        };
        (!explained).then(|| format!("failed as {kind} without a death that explains it: {:?}", detail("message")))
    }

    fn actor_of(&self, hex: &Option<String>) -> Option<&ActorState> {
        let hex = hex.as_ref()?;
        self.daemon.actors.iter().find(|(id, _)| id.hex() == *hex).map(|(_, actor)| &actor.state)
    }

    /// Calls of one caller reach one life of an actor in the order in which they were made.
    pub(crate) fn check_order(&mut self, number: usize, peer: PeerIndex, push: &Push) {
        let last = self.processes[number].sequences.insert(peer, push.sequence);
        if last.is_some_and(|last| last >= push.sequence) {
            self.fail(format!("actor in process {number}: call {} came after {last:?}", push.sequence));
        }
    }

    /// OWN-8: a task begins once and once more for each retry. A reply that came too late to count leaves no trace of its beginning.
    pub(crate) fn note_begun(&mut self, task: String, attempt: u32) {
        let limit = self.limits.get(&task).copied().unwrap_or(usize::MAX);
        if self.workload.late_percent == 0 && self.cancelled.get(&task).is_some_and(|least| attempt >= *least) {
            self.fail(format!("CANCEL-1: attempt {attempt} of task {task} began after it was cancelled"));
        }
        self.begun.insert((task.clone(), attempt));
        let count = self.begun.range((task.clone(), 0)..=(task.clone(), u32::MAX)).count();
        if count > limit && self.workload.late_percent == 0 {
            self.fail(format!("OWN-8: task {task} began {count} times, {limit} are allowed"));
        }
    }

    /// Actors that still live when the program has ended.
    pub(crate) fn living_actors(&self) -> Vec<ActorId> {
        match &self.daemon.head {
            Some(cluster) => cluster.head.actors().collect(),
            None => self.daemon.actors.iter().filter(|(_, actor)| !actor.is_dead()).map(|(id, _)| *id).collect(),
        }
    }

    /// Who waits for what, and what its owner knows of it.
    pub(crate) fn waiting(&self) -> String {
        let living = self.processes.iter().filter(|process| process.is_alive);
        let lines = living.filter_map(|process| {
            let reference = process.running.as_ref()?.waiting?;
            let owner = &self.processes[number_of(reference.owner)];
            Some(format!("{} waits for {}; its owner: {}", process.number, reference.object, owner.core.describe()))
        });
        let full =
            self.waits_for_room(0).then(|| format!("the driver waits for room: {}", self.processes[0].core.describe()));
        let lines = lines.chain(full).collect::<Vec<_>>().join("; ");
        let living = self.daemon.machines.iter().enumerate().filter(|(_, machine)| machine.is_alive);
        let nodes = living.map(|(number, machine)| {
            let node = &machine.node;
            format!(
                "node {number}: {} requests wait, free {:?}, leases {:?}",
                node.waiting_leases(),
                node.free(),
                node.lease_views()
            )
        });
        format!("{lines}; {}", nodes.collect::<Vec<_>>().join("; "))
    }

    /// Whether of some deaths nobody knows what was begun.
    fn loses_records(&self) -> bool {
        self.workload.lost_record_percent + self.workload.machines > 0
    }

    /// FAIL-1, OWN-3 and LEDGER-1 at the end: nothing waits, nothing is left.
    pub(crate) fn check_end(&mut self) {
        if !self.finished {
            let waiting = self.processes.iter().filter(|process| process.is_alive).filter_map(|process| {
                process
                    .running
                    .as_ref()
                    .and_then(|running| running.waiting)
                    .map(|reference| format!("{} for {}", process.number, reference.object))
            });
            let waiting: Vec<String> = waiting.collect();
            let detail = self.waiting();
            return self.fail(format!("FAIL-1: processes wait for ever: {waiting:?}; {detail}"));
        }
        for number in self.processes.numbers() {
            let process = &self.processes[number];
            let statistics = process.core.statistics();
            let held = statistics.unfinished + statistics.leases;
            // A reference that a lost reply lent counts until its receiver ends, for the receiver never heard of it; and with it what it
            // contains, of other owners too.
            let kept = statistics.owned + statistics.inline_bytes + statistics.borrowed;
            let is_empty = held == 0 && (kept == 0 || self.loses_records());
            if process.is_alive && !is_empty {
                self.fail(format!(
                    "OWN-3: process {number} is left with {statistics:?}: {}",
                    self.processes[number].core.describe()
                ));
            }
        }
        for number in 0..self.daemon.machines.len() {
            let Machine { node, is_alive, .. } = &self.daemon.machines[number];
            let (leases, foreign) = (node.lease_views(), node.foreign_lease_count());
            let broken = match () {
                () if !is_alive => continue,
                () if node.free() != node.total() || !leases.is_empty() => {
                    format!("LEDGER-1: free is {:?} at the end, leases {leases:?}", node.free())
                }
                () if node.waiting_leases() > 0 => "LEASE-4: requests wait at the end".to_owned(),
                () if foreign > 0 => format!("SPILL-2, SPILL-5: {foreign} leases of other nodes are held at the end"),
                () => continue,
            };
            self.fail(format!("machine {number}: {broken}"));
        }
        // What was written for an owner that was dead by then goes with it.
        let processes = &self.processes;
        self.store.retain(|_, stored| processes[stored.owner].is_alive);
        // Nobody hears of a result whose reply is lost with the record; on a machine that is gone its memory is gone too.
        if !self.store.is_empty() && !self.loses_records() {
            self.fail(format!("STORE: {:?} are left in the store", self.store));
        }
    }
}
