//! Actors and functions, every field filled.

use super::{Examples, amounts, id};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(Kind::WatchActor, &control::WatchActor { actor_id: id(1, 16) });
    examples.put(Kind::KillActor, &control::KillActor { actor_id: id(1, 16), no_restart: true, out_of_scope: true });
    examples.put(
        Kind::ActorStarted,
        &control::ActorStarted { actor_id: id(1, 16), incarnation: 2, error: b"error".to_vec() },
    );
    examples.put(
        Kind::GetNamedActor,
        &control::GetNamedActor {
            request_id: 0x1_0000_0001,
            name: "word_count".to_owned(),
            namespace: "reports".to_owned(),
        },
    );
    examples.put(Kind::FunctionPut, &control::FunctionPut { hash: id(1, 32), body: b"body".to_vec() });
    examples.put(Kind::FunctionGet, &control::FunctionGet { hash: id(1, 32) });
    examples.put(
        Kind::ActorUpdate,
        &control::ActorUpdate {
            actor_id: id(1, 16),
            state: "alive".to_owned(),
            incarnation: 2,
            worker_id: id(3, 28),
            death: Some(control::Death {
                kind: "signal".to_owned(),
                signal: 9,
                exit_code: 4,
                message: "It was ended by signal 9.".to_owned(),
                pid: 5,
            }),
            error: b"error".to_vec(),
            class_name: "Counter".to_owned(),
            name: "word_count".to_owned(),
        },
    );
    examples.put(
        Kind::StartActor,
        &control::StartActor {
            actor_id: id(1, 16),
            incarnation: 2,
            class_hash: id(3, 32),
            class_name: "Counter".to_owned(),
            name: "word_count".to_owned(),
            namespace: "reports".to_owned(),
            arguments: b"arguments".to_vec(),
            options: b"options".to_vec(),
            devices: vec![control::Devices { resource: "GPU".to_owned(), indices: vec![0, 3] }],
            resources: amounts("CPU", 1.5),
            class_body: b"class body".to_vec(),
            depth: 7,
            handle_meta: b"handle meta".to_vec(),
        },
    );
    examples.put(
        Kind::NamedActor,
        &control::NamedActor {
            request_id: 0x1_0000_0001,
            actor_id: id(2, 16),
            class_name: "Counter".to_owned(),
            handle_meta: b"handle meta".to_vec(),
        },
    );
    examples.put(Kind::FunctionReply, &control::FunctionReply { hash: id(1, 32), body: b"body".to_vec() });
}
