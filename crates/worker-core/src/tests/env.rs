//! One owner's core with an outbox that remembers, and short words for what tests do to it.

use crate::{
    Arguments, Core, Effect, FunctionIndex, Identity, Interrupted, Lost, Outbox, PeerIndex, Reference, Reply, Returned,
    SmallBytes, Submission, Task, Value,
};
use std::collections::BTreeMap;
use trygon_ids::{JobId, OwnerIncarnation, WorkerId};

/// A task that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) peer: PeerIndex,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) sequence: u64,
    pub(crate) payload: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Sink(pub(crate) Vec<Sent>);

impl Outbox for Sink {
    fn push(&mut self, peer: PeerIndex, task: &Task<'_>) {
        let Task { slot, generation, attempt, sequence, .. } = *task;
        self.0.push(Sent { peer, slot, generation, attempt, sequence, payload: task.payload.to_vec() });
    }
}

pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(crate) fn core(number: u8) -> Core {
    Core::new(Identity {
        job: JobId::new([1; 4]),
        worker: worker(number),
        incarnation: OwnerIncarnation::new([number; 12]),
    })
}

pub(crate) fn small(bytes: &[u8]) -> Value {
    Value::Inline(SmallBytes::copy_of(bytes))
}

pub(crate) struct Env {
    pub(crate) core: Core,
    pub(crate) sink: Sink,
    pub(crate) function: FunctionIndex,
}

impl Env {
    /// Process 1, with one function.
    pub(crate) fn new() -> Self {
        let mut core = core(1);
        let function = core.add_function("work", &BTreeMap::from([("CPU".to_owned(), 1.0)]), &[], false);
        Self { core, sink: Sink::default(), function }
    }

    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.core.take_effects(&mut effects);
        effects
    }

    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sink.0)
    }

    pub(crate) fn submit_with(
        &mut self,
        function: FunctionIndex,
        dependencies: &[Reference],
        contained: &[Reference],
        retries: i32,
    ) -> Reference {
        let submission = Submission {
            function,
            arguments: Arguments { payload: &[0; 4], dependencies, contained },
            num_returns: 1,
            stream_limit: 0,
            max_retries: retries,
            retry_errors: false,
            parent: 0,
            depth: 1,
        };
        let (slot, generation) = self.core.submit(&submission, &mut self.sink);
        self.own(slot, generation)
    }

    pub(crate) fn submit(&mut self) -> Reference {
        self.submit_with(self.function, &[], &[], 3)
    }

    pub(crate) fn own(&self, slot: u32, generation: u32) -> Reference {
        Reference { object: self.core.object_id(slot, generation, 0), owner: self.core.identity().worker }
    }

    pub(crate) fn put(&mut self, value: Value, contained: &[Reference]) -> Reference {
        let (slot, generation) = self.core.put(value, contained);
        self.own(slot, generation)
    }

    /// Grants the newest request a lease on this peer.
    pub(crate) fn grant(&mut self, lease: u64, peer: u32) {
        let request = self.effects().iter().rev().find_map(|effect| match effect {
            Effect::RequestLeases { request, .. } => Some(*request),
            _ => None,
        });
        self.core.on_lease_granted(request.expect("a request"), lease, PeerIndex(peer), 0, &mut self.sink);
    }

    pub(crate) fn done(
        &mut self,
        sent: &Sent,
        value: Value,
        contained: Vec<Reference>,
        kept: &[Reference],
        executor: u8,
    ) {
        let raised = matches!(value, Value::Error(_));
        let Sent { slot, generation, attempt, .. } = *sent;
        let cancelled = false;
        let reply = Reply { slot, generation, attempt, execution_ns: 1000, raised, cancelled, exiting: false };
        let mut returns = vec![Returned { value, contained }];
        self.core.on_done(&reply, &mut returns, kept, worker(executor), 0, &mut self.sink);
    }

    pub(crate) fn lose(&mut self, number: u8, peer: u32, started: Option<&Sent>) {
        self.lose_for("signal", number, peer, started);
    }

    pub(crate) fn lose_for(&mut self, cause_kind: &str, number: u8, peer: u32, started: Option<&Sent>) {
        let started =
            started.map(|sent| Interrupted { slot: sent.slot, generation: sent.generation, attempt: sent.attempt });
        let lost = Lost {
            worker: worker(number),
            peer: Some(PeerIndex(peer)),
            started,
            unrecorded: false,
            cause_kind,
            message: "it was killed",
            pid: 7,
            signal: 9,
            exit_code: 0,
        };
        self.core.on_peer_lost(&lost, 0, &mut self.sink);
    }

    pub(crate) fn error_kind(&self, reference: &Reference) -> Option<String> {
        match self.core.value_of(reference) {
            Some(Value::Error(error)) => match crate::error_view(error) {
                crate::ErrorView::System { kind, .. } => Some(kind.to_owned()),
                _ => Some("user".to_owned()),
            },
            _ => None,
        }
    }

    /// Nothing is broken and nothing is left.
    pub(crate) fn end(&self) {
        self.core.sanity_check().expect("sane");
        let left = self.core.statistics();
        assert_eq!(
            (left.owned, left.borrowed, left.unfinished, left.inline_bytes),
            (0, 0, 0, 0),
            "{}",
            self.core.describe()
        );
    }
}
