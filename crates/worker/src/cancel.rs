//! Cancelling: what reaches the calls of this process, and what is asked of other processes.

use crate::answer::Answer;
use crate::engine::Engine;
use crate::execute::ORPHANS_LIMIT;
use crate::running::{CallKey, CancelListener};
use crate::runtime::Runtime;
use crate::wait::Patience;
use crate::work::Work;
use std::sync::atomic::Ordering;
use trygon_ids::ObjectId;
use trygon_wire::{FrameError, Kind, control, peer, task};
use trygon_worker_core::{Cancel, CancelOutcome, PeerIndex, Reference};

impl Engine {
    /// A caller cancels what it sent: a call that waits is answered at once, one that runs is interrupted, marked or ended.
    pub(crate) fn on_cancel(&mut self, index: PeerIndex, message: &peer::Cancel) -> Result<(), FrameError> {
        let key = message.task.as_ref().ok_or(FrameError::Malformed("task to cancel"))?;
        let waits = self.work.iter().position(|work| match work {
            Work::Call(call) => {
                let push = &call.push;
                call.peer == index
                    && (push.slot, push.generation, push.attempt) == (key.slot, key.generation, key.attempt)
            }
            _ => false,
        });
        if let Some(position) = waits {
            self.work.remove(position);
            self.drop_stream(index, key);
            self.answer_cancelled(index, key);
            return Ok(());
        }
        // Otherwise its reply is on its way already.
        let call = CallKey::new(index, key.slot);
        let Some(running) = self.running.find(call, key) else { return Ok(()) };
        if !running.has_begun {
            self.running.forget(call);
            self.drop_stream(index, key);
            self.answer_cancelled(index, key);
            return Ok(());
        }
        let (tag, is_actor_call) = (running.tag, running.is_actor_call);
        let force = message.force && !is_actor_call;
        if !force {
            let now_ns = self.clock.now_ns();
            self.running.cancel(call, now_ns);
            if is_actor_call && self.running.has_loop {
                self.work.push_back(Work::Cancel(tag));
            }
        }
        if message.recursive {
            self.core.cancel_children(tag, force, &mut self.links);
        }
        if force {
            self.end_process();
        }
        Ok(())
    }

    /// The reply to a call that was never started. It needs no place in the recorder: if this process dies now, the caller, which
    /// cancelled it, takes it for cancelled all the same.
    fn answer_cancelled(&mut self, index: PeerIndex, key: &peer::TaskKey) {
        let done = task::Done {
            slot: key.slot,
            generation: key.generation,
            attempt: key.attempt,
            status: task::STATUS_CANCELLED,
            ..Default::default()
        };
        self.links.peer(index).out.bytes_mut().extend_from_slice(&done.head(0));
        self.links.mark_dirty(index);
    }

    /// Ends this process for the task that it runs. The lock is held to the end, so no other task can have taken its place.
    fn end_process(&mut self) {
        let exiting = control::WorkerExiting {
            kind: "cancelled".to_owned(),
            message: "the task that it ran was cancelled with force=True".to_owned(),
            exit_code: 0,
        };
        self.control.send(Kind::WorkerExiting, &exiting);
        self.settle_and_flush();
        trygon_processes::end_descendants(ORPHANS_LIMIT);
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }

    /// Another process asks the owner to cancel.
    pub(crate) fn on_cancel_object(
        &mut self,
        index: PeerIndex,
        message: &peer::CancelObject,
    ) -> Result<(), FrameError> {
        let object = ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
        let outcome = self.cancel_own(&object, Cancel { force: message.force, recursive: message.recursive });
        if message.request_id != 0 {
            let actor_forced = outcome == CancelOutcome::ActorForced;
            let answer = peer::CancelAnswer { request_id: message.request_id, actor_forced };
            self.links.send(index, Kind::CancelAnswer, &answer);
        }
        Ok(())
    }

    pub(crate) fn on_cancel_answer(&mut self, message: &peer::CancelAnswer) {
        self.answers.insert(message.request_id, Answer::Cancelled { actor_forced: message.actor_forced });
    }

    fn cancel_own(&mut self, object: &ObjectId, how: Cancel) -> CancelOutcome {
        let task = object.task_id();
        self.core.cancel(task.slot(), task.generation(), how, &mut self.links)
    }
}

impl Runtime {
    /// Says how the thread that runs plain tasks is made to look whether its task was cancelled.
    pub fn set_cancel_listener(&self, listener: CancelListener) {
        self.lock().running.listener = Some(listener);
    }

    /// Calls run in an event loop: it is told with its other work which of them were cancelled.
    pub fn set_event_loop(&self) {
        self.lock().running.has_loop = true;
    }

    /// Cancels the task that makes an object, wherever its owner is. Only the answer to a forced one is waited for.
    pub fn cancel(&self, reference: &Reference, how: Cancel) -> CancelOutcome {
        let mut engine = self.lock();
        if engine.core.owns(&reference.object) {
            let outcome = engine.cancel_own(&reference.object, how);
            if engine.core.has_effects() {
                engine.settle_and_flush();
            }
            drop(engine);
            self.ensure_ticking();
            return outcome;
        }
        if !how.force && engine.core.value_of(reference).is_some_and(|value| value.is_ready()) {
            return CancelOutcome::Finished;
        }
        let request_id = if how.force { engine.next_request } else { 0 };
        engine.next_request += 1;
        let message = peer::CancelObject {
            object_id: reference.object.as_bytes().to_vec(),
            force: how.force,
            recursive: how.recursive,
            request_id,
        };
        engine.send_to(reference.owner, Kind::CancelObject, &message);
        engine.settle_and_flush();
        drop(engine);
        self.ensure_ticking();
        if request_id == 0 {
            return CancelOutcome::Asked;
        }
        self.wait_through(&Patience::for_ever(), |engine| {
            let is_lost = engine.dead.contains(&reference.owner) || engine.is_closed();
            is_lost || engine.answers.contains_key(&request_id)
        });
        match self.lock().answers.remove(&request_id) {
            Some(Answer::Cancelled { actor_forced: true }) => CancelOutcome::ActorForced,
            _ => CancelOutcome::Asked,
        }
    }

    /// Whether a call that runs here was cancelled.
    pub fn is_cancelled(&self, call: CallKey, tag: u32) -> bool {
        self.num_cancelled.load(Ordering::Relaxed) > 0 && self.lock().running.is_cancelled(call, tag)
    }

    /// The interrupt that a call took was raised where nobody could see it: it comes again.
    pub fn renew_interrupt(&self, tag: u32) {
        let mut engine = self.lock();
        let now_ns = engine.clock.now_ns();
        engine.running.renew_interrupt(tag, now_ns);
        drop(engine);
        self.ensure_ticking();
    }

    /// Takes the interrupt of a call: true once for each time that it was asked for, and only while that call runs.
    pub fn take_interrupt(&self, tag: u32) -> bool {
        self.num_cancelled.load(Ordering::Relaxed) > 0 && self.lock().running.take_interrupt(tag)
    }
}
