//! A worker's engine between a daemon and a caller that are sockets of the test.

use crate::Finished;
use crate::credit::{Credit, Running, StreamKey};
use crate::link::{Definition, RetryRule};
use crate::reply::ReturnedValue;
use crate::runtime::Runtime;
use crate::work::{Call, Work};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
use std::sync::Arc;
use std::time::Duration;
use trygon_ids::WorkerId;
use trygon_shm::{Recorder, create_recorder_descriptor, read_recorder_descriptor};
use trygon_wire::{recorder, task};
use trygon_worker_core::{PeerIndex, STREAMING, SmallBytes};

const CONNECTION: u64 = 7;

struct Worker {
    runtime: Arc<Runtime>,
    caller: OwnedFd,
    recorder: OwnedFd,
    _daemon: OwnedFd,
}

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a pair of sockets")
}

impl Worker {
    fn new() -> Self {
        let ((daemon, control), (caller, socket)) = (pair(), pair());
        let recorder = create_recorder_descriptor().expect("a recorder");
        let runtime = Arc::new(Runtime::new(control).expect("a runtime"));
        let mut engine = runtime.lock();
        engine.links.recorder = Some(Recorder::new(recorder.as_fd()).expect("a mapped recorder"));
        assert_eq!(engine.links.add(WorkerId::new([3; 28]), CONNECTION, socket), PeerIndex(0));
        drop(engine);
        Self { runtime, caller, recorder, _daemon: daemon }
    }

    /// A call of the caller, taken from the queue.
    fn call(&self, slot: u32) -> Call {
        let retries = RetryRule::default();
        let definition = Arc::new(Definition {
            name: "work".to_owned(),
            hash: None,
            max_calls: 0,
            group: String::new(),
            retries_errors: retries.errors,
            retry_classes: retries.classes,
        });
        let push = task::Push { slot, num_returns: 1, ..task::Push::default() };
        let payload = SmallBytes::copy_of(&[0; 4]);
        let call =
            Call { tag: 0, peer: PeerIndex(0), push, is_actor_call: true, is_retriable: false, definition, payload };
        self.runtime.lock().work.push_back(Work::Call(call));
        match self.runtime.try_next_work() {
            Ok(Some(Work::Call(call))) => call,
            other => panic!("{other:?}"),
        }
    }

    fn finish(&self, call: &Call, value: &[u8]) {
        let returns = [ReturnedValue::Inline(value, &[])];
        let finished =
            Finished { status: task::STATUS_OK, execution_ns: 1, returns: &returns, carried: &[], exiting: false };
        self.runtime.finish(call, &finished);
    }

    /// Everything that has arrived at the caller.
    fn read(&self) -> usize {
        let mut bytes = vec![0u8; 1 << 16];
        let mut read = 0;
        while let Ok((count, _)) = recv(self.caller.as_fd(), &mut bytes[..], RecvFlags::DONTWAIT) {
            assert!(count > 0, "the worker closed its end");
            read += count;
        }
        read
    }

    fn is_started(&self) -> bool {
        let bytes = read_recorder_descriptor(self.recorder.as_fd()).expect("the recorder");
        recorder::started(&bytes).is_some()
    }
}

/// OWN-8: a reply that the recorder has no room for is kept by nothing but the socket. Until it is written its task counts as started,
/// and the worker begins nothing else.
#[test]
fn a_reply_too_large_for_the_recorder_is_waited_for() {
    let worker = Worker::new();
    let call = worker.call(1);
    assert!(worker.runtime.begin(&call, None));
    let value = vec![1; 2 << 20];
    std::thread::scope(|scope| {
        let reply = scope.spawn(|| worker.finish(&call, &value));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!reply.is_finished(), "most of it is still here, and would be lost with the process");
        assert!(worker.is_started());
        let mut read = 0;
        while read < value.len() {
            read += worker.read();
        }
        reply.join().expect("a reply");
    });
    assert!(!worker.is_started());
    let next = worker.call(2);
    assert!(worker.runtime.begin(&next, None));
    worker.finish(&next, b"small");
    assert!(!worker.is_started(), "the recorder has it");
}

/// OWN-4: a call that is answered without having run, because its method is not there, does not count as one that ran: what the others
/// lent on is forgotten only when none of them runs.
#[test]
fn a_refused_call_is_not_counted_as_one_that_ran() {
    let worker = Worker::new();
    let (running, refused) = (worker.call(1), worker.call(2));
    assert!(worker.runtime.begin_concurrent(&running));
    worker.finish(&refused, b"no such method");
    assert_eq!(worker.runtime.lock().concurrent_calls, 1);
    worker.finish(&running, b"done");
    assert_eq!(worker.runtime.lock().concurrent_calls, 0);
}

/// A generator that ends while it waits for leave to go on: whoever waited hears of it, and lets go of what it holds.
#[test]
fn a_generator_that_ends_lets_its_waiter_go() {
    let worker = Worker::new();
    let mut call = worker.call(1);
    call.push.num_returns = STREAMING;
    let key = StreamKey::of(&call);
    let credit = Credit { limit: 1, taken: 0, skip: 0, is_stopped: false };
    worker.runtime.lock().streams.insert(key, Running { credit, waiter: None });
    let queue = worker.runtime.completion_queue().expect("a queue");
    worker.runtime.complete_with_credit(&queue, &key, 1, 42);
    assert_eq!(worker.runtime.drain(&queue), []);
    worker.finish(&call, b"cancelled");
    assert_eq!(worker.runtime.drain(&queue), [42]);
    assert_eq!(worker.runtime.lock().awaited_tokens, 0);
}
