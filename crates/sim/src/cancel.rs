//! Cancelling, as the real runtime does it: by whoever holds a reference, at the owner, at the worker.

use crate::message::{Done, ToPeer};
use crate::process::Work;
use crate::world::World;
use trygon_ids::ObjectId;
use trygon_worker_core::{Cancel, CancelOutcome, PeerIndex, Reference, Reply};

impl World {
    /// The running script cancels something that it holds, if chance wants it.
    pub(crate) fn maybe_cancel(&mut self, number: usize) {
        // Other workloads draw no number here, so that their seeds keep their meaning.
        if self.workload.cancel_percent == 0 || !self.random.percent(self.workload.cancel_percent) {
            return;
        }
        let Some(running) = &self.processes[number].running else { return };
        let held: Vec<Reference> = running.held.iter().flatten().copied().collect();
        if held.is_empty() {
            return;
        }
        let reference = held[self.random.below(held.len() as u64) as usize];
        let recursive = self.random.percent(50);
        if self.processes[number].core.owns(&reference.object) {
            self.cancel_own(number, &reference.object, recursive);
        } else {
            self.send_to(number, reference.owner, ToPeer::CancelObject { object: reference.object, recursive });
        }
    }

    /// CANCEL-1: from here on no later attempt may begin, and one that was not sent none at all.
    pub(crate) fn cancel_own(&mut self, number: usize, object: &ObjectId, recursive: bool) {
        let process = &mut self.processes[number];
        let task = object.task_id();
        let attempt = process.core.attempt(task.slot(), task.generation());
        let how = Cancel { force: false, recursive };
        let outcome = process.core.cancel(task.slot(), task.generation(), how, &mut process.links);
        let Some(attempt) = attempt else {
            if outcome != CancelOutcome::Finished {
                self.fail(format!("CANCEL-1: {object} has ended, and cancelling it was {outcome:?}"));
            }
            return;
        };
        let least = match outcome {
            CancelOutcome::Dropped => attempt,
            CancelOutcome::Asked => attempt + 1,
            // An object of `put` that waits for its value is no task.
            CancelOutcome::Finished | CancelOutcome::ActorForced => return,
        };
        let known = self.cancelled.entry(task.hex()).or_insert(least);
        *known = least.min(*known);
    }

    /// The worker's side: what waits is answered, what runs is interrupted, an actor's call is marked.
    pub(crate) fn on_cancel(&mut self, number: usize, peer: PeerIndex, key: (u32, u32, u32), recursive: bool) {
        let process = &mut self.processes[number];
        let waits = process.work.iter().position(|work| match work {
            Work::Call { peer: caller, push } => *caller == peer && (push.slot, push.generation, push.attempt) == key,
            _ => false,
        });
        if let Some(position) = waits {
            process.work.remove(position);
            let (slot, generation, attempt) = key;
            let reply =
                Reply { slot, generation, attempt, execution_ns: 0, raised: false, cancelled: true, exiting: false };
            let done = Done { reply, returns: Vec::new(), kept: Vec::new() };
            process.links.out[peer.0 as usize].push(ToPeer::Done(done));
            return;
        }
        let Some(running) = &mut process.running else { return };
        let Some((caller, push)) = &running.call else { return };
        if *caller != peer || (push.slot, push.generation, push.attempt) != key {
            return;
        }
        running.cancelled = true;
        let (tag, is_plain) = (running.tag, !push.is_actor_call);
        if recursive {
            process.core.cancel_children(tag, false, &mut process.links);
        }
        if is_plain {
            self.plan_step(number);
        }
    }

    /// Whether the main thread's task was interrupted. If it waited, it has its CPU back.
    pub(crate) fn is_interrupted(&self, number: usize) -> bool {
        let running = self.processes[number].running.as_ref();
        running.is_some_and(|running| {
            running.cancelled && running.call.as_ref().is_some_and(|(_, push)| !push.is_actor_call)
        })
    }
}
