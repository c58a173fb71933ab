//! Submitting tasks, and making functions known to those who run them.

use crate::link::{Export, RetryRule};
use crate::runtime::Runtime;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trygon_ids::{ActorId, FunctionHash};
use trygon_wire::{Kind, control};
use trygon_worker_core::{ActorIndex, CallOrder, FunctionIndex, Submission};

/// The queue is looked at once in so many submissions.
const SUBMITS_PER_POLL: u32 = 32;

/// A function to be known to peers.
#[derive(Debug)]
pub struct FunctionExport<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its pickle.
    pub body: &'a [u8],
    /// What its tasks hold.
    pub resources: &'a BTreeMap<String, f64>,
    /// Key of the runtime environment that they run in; empty for the plain one.
    pub environment: &'a [u8],
    /// Its worker exits after so many calls; 0 for never.
    pub max_calls: u32,
    /// Which errors are worth another attempt.
    pub retries: RetryRule,
}

/// A method of an actor to be known to it.
#[derive(Debug)]
pub struct MethodExport<'a> {
    /// The actor.
    pub actor: ActorId,
    /// The method's name.
    pub name: &'a str,
    /// The concurrency group of the calls; empty for the method's own.
    pub group: &'a str,
    /// How the actor runs its calls.
    pub order: CallOrder,
    /// Which errors are worth another attempt.
    pub retries: &'a RetryRule,
}

impl Runtime {
    /// Submits a task or an actor call. The caller holds one reference to each result.
    pub fn submit(&self, submission: &Submission<'_>) -> (u32, u32) {
        let mut engine = self.lock();
        let state = &mut *engine;
        let was_idle = state.core.unfinished() == 0;
        let ids = state.core.submit(submission, &mut state.links);
        state.activity += 1;
        state.submitted = state.submitted.wrapping_add(1);
        let looks = state.submitted.is_multiple_of(SUBMITS_PER_POLL);
        if was_idle || state.core.has_effects() {
            state.settle_and_flush();
        }
        drop(engine);
        self.ensure_ticking();
        if looks {
            self.poll_now();
        }
        ids
    }

    /// Makes a function known; its body is sent to whoever asks.
    pub fn export_function(&self, export: &FunctionExport<'_>) -> FunctionIndex {
        let hash = FunctionHash::new(Sha256::digest(export.body).into());
        let mut engine = self.lock();
        engine.exported.entry(hash).or_insert_with(|| export.body.into());
        engine.links.exports.push(Export {
            name: export.name.to_owned(),
            hash: Some(hash),
            actor: None,
            max_calls: export.max_calls,
            group: String::new(),
            retries: export.retries.clone(),
        });
        engine.core.add_function(export.name, export.resources, export.environment, export.max_calls > 0)
    }

    /// Gives the control service a copy of a class.
    pub fn export_class(&self, body: &[u8]) -> FunctionHash {
        let hash = FunctionHash::new(Sha256::digest(body).into());
        let mut engine = self.lock();
        if engine.exported.insert(hash, body.into()).is_none() {
            let message = control::FunctionPut { hash: hash.as_bytes().to_vec(), body: body.to_vec() };
            engine.control.send(Kind::FunctionPut, &message);
        }
        hash
    }

    /// Makes a method of an actor known. Actors are watched from their first method on.
    pub fn export_method(&self, export: &MethodExport<'_>) -> (ActorIndex, FunctionIndex) {
        let mut engine = self.lock();
        let index = engine.core.actor(export.actor);
        engine.core.set_call_order(index, export.order);
        engine.links.exports.push(Export {
            name: export.name.to_owned(),
            hash: None,
            actor: Some(export.actor),
            max_calls: 0,
            group: export.group.to_owned(),
            retries: export.retries.clone(),
        });
        let function = engine.core.add_method(index, export.name);
        engine.settle_and_flush();
        (index, function)
    }

    /// Lines that workers printed, if any came.
    pub fn take_log_lines(&self) -> Vec<crate::LogLine> {
        let mut engine = self.lock();
        engine.log_lines = 0;
        engine.logs.drain(..).collect()
    }
}

impl Runtime {
    /// Performs what a dropped reference caused; it is written within a tick.
    pub fn perform_soon(&self) {
        self.lock().perform();
        self.ensure_ticking();
    }

    /// A wait of user code was given up: the worker has its CPU back.
    pub fn stop_waiting(&self) {
        self.lock().leave_blocked();
    }

    /// Waits for lines that workers printed, without taking part in the polling.
    pub fn wait_for_log_lines(&self, limit: Duration) {
        let mut engine = self.lock();
        if engine.logs.is_empty() && !engine.is_closed() {
            let arrived = Arc::clone(&engine.logs_arrived);
            arrived.wait_for(&mut engine, limit);
        }
    }
}

impl Runtime {
    /// What the lease of a task holds, as far as its owner said.
    pub fn lease_info(&self, lease: u32) -> Option<crate::LeaseInfo> {
        self.lock().leases.get(&lease).cloned()
    }
}

impl Runtime {
    /// A line of the engine itself for whoever prints the workers' lines.
    pub fn log_line(&self, line: &str) {
        self.lock().say(line);
    }
}
