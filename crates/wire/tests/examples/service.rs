//! State, key-value, events, logs and the zygote, every field filled.

use super::{Examples, id, texts};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(
        Kind::StateQuery,
        &control::StateQuery { request_id: 0x1_0000_0001, what: "actors".to_owned(), argument: "alive".to_owned() },
    );
    examples.put(
        Kind::KeyValueRequest,
        &control::KeyValueRequest {
            request_id: 0x1_0000_0001,
            operation: "put".to_owned(),
            namespace: "reports".to_owned(),
            key: b"key".to_vec(),
            value: b"value".to_vec(),
            overwrite: true,
        },
    );
    examples.put(
        Kind::TaskEvents,
        &control::TaskEvents {
            events: vec![control::TaskEvent {
                task_id: id(1, 24),
                name: "word_count".to_owned(),
                state: "alive".to_owned(),
                attempt: 2,
                time_us: 303,
                duration_us: 304,
                worker_id: id(5, 28),
                error: "TypeError".to_owned(),
            }],
            dropped: 306,
        },
    );
    examples.put(
        Kind::WorkerExiting,
        &control::WorkerExiting {
            kind: "signal".to_owned(),
            message: "It was ended by signal 9.".to_owned(),
            exit_code: 1,
        },
    );
    examples.put(Kind::Shutdown, &control::Shutdown {});
    examples.put(
        Kind::StateReply,
        &control::StateReply {
            request_id: 0x1_0000_0001,
            json: "[{\"pid\":7}]".to_owned(),
            error: "TypeError".to_owned(),
        },
    );
    examples.put(
        Kind::KeyValueReply,
        &control::KeyValueReply {
            out_of_disk: "no space left".to_owned(),
            request_id: 0x1_0000_0001,
            existed: true,
            value: b"value".to_vec(),
            keys: vec![b"one".to_vec(), b"two".to_vec()],
        },
    );
    put_to_driver_and_zygote(examples);
}

fn put_to_driver_and_zygote(examples: &mut Examples) {
    examples.put(
        Kind::LogLines,
        &control::LogLines {
            pid: 1,
            name: "word_count".to_owned(),
            is_stderr: true,
            lines: texts(&["first", "second"]),
            dropped: 302,
        },
    );
    examples.put(Kind::ExitWorker, &control::ExitWorker { reason: "idle".to_owned(), drain: true });
    examples.put(Kind::ForkWorker, &control::ForkWorker { number: 301 });
    examples.put(Kind::ZygoteReady, &control::ZygoteReady { pid: 1 });
    examples.put(Kind::WorkerForked, &control::WorkerForked { number: 301, pid: 2 });
    examples.put(Kind::PrepareEnvironment, &control::PrepareEnvironment { description: b"description".to_vec() });
    examples.put(
        Kind::EnvironmentReport,
        &control::EnvironmentReport { message: "It was ended by signal 9.".to_owned(), failed: true },
    );
}
