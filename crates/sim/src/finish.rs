//! The end of a script: results and errors travel back, and what was held goes.

use crate::message::{Done, ToPeer};
use crate::plain::picked;
use crate::process::Running;
use crate::random::mix;
use crate::script::{End, raise_count};
use crate::world::World;
use trygon_worker_core::{PeerIndex, Reference, Reply, Value, is_stream, user_error};

impl World {
    pub(crate) fn end_script(&mut self, number: usize) {
        let Some(running) = self.processes[number].running.as_ref() else { return };
        if running.call.is_none() {
            return self.end_driver(number);
        }
        let (end, mark) = (running.script.end.clone(), running.script.seed);
        if matches!(end, End::Return { .. }) && self.raises_now(number) {
            return self.finish(number, Err(user_error(&mark.to_le_bytes())));
        }
        let Some(running) = self.processes[number].running.as_ref() else { return };
        match end {
            End::Raise => self.finish(number, Err(user_error(&running.script.seed.to_le_bytes()))),
            End::Return { nested, stored } => {
                let chosen = nested
                    .iter()
                    .filter_map(|pick| picked(&running.held, *pick, |reference| !self.is_handle(reference)));
                let nested: Vec<Reference> = chosen.filter_map(|place| running.held[place]).collect();
                self.finish(number, Ok((running.number, nested, stored)));
            }
        }
    }

    /// Some tasks raise in their first attempts.
    fn raises_now(&mut self, number: usize) -> bool {
        let Some(running) = self.processes[number].running.as_ref() else { return false };
        let most = raise_count(running.script.seed, &self.workload);
        let Some((peer, push)) = running.call.as_ref().filter(|_| most > 0) else { return false };
        let caller = self.processes[number].peers[peer.0 as usize];
        let task = self.processes[caller].core.task_id(push.slot, push.generation).hex();
        let count = self.raised.entry(task).or_default();
        let raises = *count < most;
        *count += u32::from(raises);
        raises
    }

    fn end_driver(&mut self, number: usize) {
        if let Some(running) = self.processes[number].running.take() {
            for reference in running.held.iter().flatten() {
                self.processes[number].core.release(reference);
            }
        }
        self.finished = true;
    }

    /// The task is done: its value or error travels back, and what it held goes.
    pub(crate) fn finish(&mut self, number: usize, outcome: Result<(u64, Vec<Reference>, bool), Box<[u8]>>) {
        let Some(mut running) = self.processes[number].running.take() else { return };
        let Some((peer, push)) = running.call.take() else { return };
        if is_stream(push.num_returns) {
            let running = Running { call: Some((peer, push)), ..running };
            return self.make_items(number, running, outcome);
        }
        let returned = outcome.as_ref().map_or(&[][..], |(_, nested, _)| nested);
        for reference in returned {
            self.processes[number].core.retain(reference);
        }
        for reference in running.held.iter().flatten().chain(&running.pins) {
            self.processes[number].core.release(reference);
        }
        let caller = self.processes[number].peers[peer.0 as usize];
        let cancelled = running.cancelled && (!push.is_actor_call || outcome.is_ok());
        let raised = outcome.is_err() && !cancelled;
        let returns = match &outcome {
            _ if cancelled => Vec::new(),
            Err(error) => vec![(Value::Error(error.clone()), Vec::new())],
            Ok((value, nested, stored)) => (0..u64::from(push.num_returns))
                .map(|index| {
                    let nested = if index == 0 { nested.clone() } else { Vec::new() };
                    (self.form(mix(*value, index), *stored && index == 0, caller, number), nested)
                })
                .collect(),
        };
        let exiting = push.function == self.processes[caller].exit_function && !push.is_actor_call;
        let execution_ns = (self.now_ns - running.began_ns) as u32;
        let reply = Reply {
            slot: push.slot,
            generation: push.generation,
            attempt: push.attempt,
            execution_ns,
            raised,
            cancelled,
            exiting,
        };
        self.reply(number, peer, reply, returns, &running.carried);
        for reference in returned {
            self.processes[number].core.release(reference);
        }
        if exiting {
            self.exit(number, "max_calls");
        } else if self.random.percent(40) {
            self.settle_and_flush(number);
        }
    }

    /// As the real runtime: what is kept is named, what is inside the results is lent, and lends leave before the reply.
    pub(crate) fn reply(
        &mut self,
        number: usize,
        peer: PeerIndex,
        reply: Reply,
        returns: Vec<(Value, Vec<Reference>)>,
        carried: &[Reference],
    ) {
        let process = &mut self.processes[number];
        let caller = process.peers[peer.0 as usize];
        let mut kept: Vec<Reference> = Vec::new();
        for reference in carried {
            if !kept.contains(reference) && process.core.report_kept(reference) {
                kept.push(*reference);
            }
        }
        let borrower = self.processes[caller].id;
        let process = &mut self.processes[number];
        for inner in returns.iter().flat_map(|(_, contained)| contained) {
            process.core.lend(inner, borrower);
        }
        if process.core.has_effects() {
            self.settle_and_flush(number);
        }
        let process = &mut self.processes[number];
        process.links.out[peer.0 as usize].push(ToPeer::Done(Done { reply, returns, kept }));
        process.started = None;
    }

    /// A worker that was idle for long stays while others need what it owns, and while it has to do.
    pub(crate) fn may_exit(&self, number: usize) -> bool {
        let process = &self.processes[number];
        let statistics = process.core.statistics();
        process.is_actor || (statistics.unfinished + statistics.leases == 0 && !process.core.is_lent_out())
    }
}
