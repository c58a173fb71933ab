//! New tasks and actor calls.

use crate::bytes::SmallBytes;
use crate::effect::Outbox;
use crate::entry::{Object, Phase, Reference, Stream, TaskDetail};
use crate::numbers::FunctionIndex;
use crate::state::Core;
use crate::streams::is_stream;

/// A task's arguments. The payload begins with four zero bytes: the place of the number of dependencies.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    /// Arguments as the executor reads them.
    pub payload: &'a [u8],
    /// Those that are references, in order.
    pub dependencies: &'a [Reference],
    /// References inside the others.
    pub contained: &'a [Reference],
}

/// A new task.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The function or method.
    pub function: FunctionIndex,
    /// Its arguments.
    pub arguments: Arguments<'a>,
    /// How many results; `STREAMING` or `DYNAMIC` for a generator.
    pub num_returns: u16,
    /// For a generator: most items that wait to be taken, 0 for no limit.
    pub stream_limit: u32,
    /// How often it is run again after its worker's death; negative for ever.
    pub max_retries: i32,
    /// Whether an error raised by user code is retried too.
    pub retry_errors: bool,
    /// The call of this process that submits it, for recursive cancelling; 0 for none.
    pub parent: u32,
    /// How deep it is nested: one more than the task that submits it.
    pub depth: u16,
}

impl Core {
    /// Submits a task. The caller holds one reference to each result (at least one entry exists, for the error of a task without results).
    pub fn submit<O: Outbox>(&mut self, submission: &Submission<'_>, outbox: &mut O) -> (u32, u32) {
        let slot = self.table.allocate();
        self.unfinished += 1;
        let entry = self.table.at_mut(slot);
        let generation = entry.generation;
        entry.function = submission.function;
        entry.retries_left = submission.max_retries;
        entry.is_retriable = submission.max_retries != 0;
        entry.retry_errors = submission.retry_errors;
        entry.num_returns = submission.num_returns;
        entry.depth = submission.depth;
        entry.parent = submission.parent;
        entry.payload = SmallBytes::copy_of(submission.arguments.payload);
        self.argument_bytes += entry.payload.heap_bytes();
        entry.phase = Phase::WaitsForArguments;
        entry.first.local_references = u32::from(submission.num_returns > 0);
        let Arguments { dependencies, contained, .. } = submission.arguments;
        let mut pending = 0;
        if submission.num_returns > 1 || !dependencies.is_empty() || !contained.is_empty() {
            let stream =
                is_stream(submission.num_returns).then(|| Stream::new(submission.num_returns, submission.stream_limit));
            let singles = if stream.is_some() { 1 } else { submission.num_returns };
            let more = (1..singles).map(|_| Object { local_references: 1, ..Object::default() });
            entry.detail = Some(Box::new(TaskDetail {
                dependencies: dependencies.to_vec(),
                contained: contained.to_vec(),
                pending_dependencies: u32::MAX,
                more: more.collect(),
                stream,
                near_class: None,
            }));
            pending = self.register_dependencies(slot, dependencies, contained);
            if let Some(detail) = self.table.at_mut(slot).detail.as_mut() {
                detail.pending_dependencies = pending;
            }
        }
        let actor = self.functions[submission.function.0].actor;
        if let Some(actor) = actor {
            self.enqueue_call(actor, slot);
        }
        if pending == 0 {
            self.on_arguments_ready(slot, outbox);
        }
        (slot, generation)
    }

    /// Every argument exists: the task goes on its way, or fails with the argument that failed.
    pub(crate) fn on_arguments_ready<O: Outbox>(&mut self, slot: u32, outbox: &mut O) {
        if self.waits_again(slot) {
            return;
        }
        let entry = self.table.at(slot);
        let actor = self.functions[entry.function.0].actor;
        if entry.detail.is_some()
            && let Some(error) = self.failed_dependency(slot)
        {
            let error = self.rebuild_error(slot, error);
            return match actor {
                Some(actor) => self.fail_call(actor, slot, &error, outbox),
                None => self.fail(slot, &error, outbox),
            };
        }
        match actor {
            Some(actor) => {
                self.table.at_mut(slot).phase = Phase::Queued;
                self.admit_call(actor, slot);
                self.pump_actor(actor, outbox);
            }
            None => {
                self.choose_class(slot);
                self.dispatch(slot, outbox);
            }
        }
    }
}
