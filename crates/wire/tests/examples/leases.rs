//! Leases and the creation of actors, every field filled.

use super::{Examples, amounts, id};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(
        Kind::LeaseRequest,
        &control::LeaseRequest {
            request_id: 0x1_0000_0001,
            resources: amounts("CPU", 1.5),
            count: 2,
            depth: 3,
            name: "word_count".to_owned(),
            environment: id(4, 32),
        },
    );
    examples.put(Kind::LeaseCancel, &control::LeaseCancel { request_id: 0x1_0000_0001 });
    examples.put(Kind::LeaseReturn, &control::LeaseReturn { lease_id: 0x1_0000_0001, worker_exiting: true });
    examples.put(Kind::Blocked, &control::Blocked { depth: 1 });
    examples.put(
        Kind::CreateActor,
        &control::CreateActor {
            request_id: 0x1_0000_0001,
            actor_id: id(2, 16),
            class_hash: id(3, 32),
            class_name: "Counter".to_owned(),
            name: "word_count".to_owned(),
            namespace: "reports".to_owned(),
            placement_resources: amounts("CPU", 1.5),
            lifetime_resources: amounts("CPU", 1.5),
            max_restarts: -1,
            arguments: b"arguments".to_vec(),
            handle_meta: b"handle meta".to_vec(),
            get_if_exists: true,
            options: b"options".to_vec(),
            depth: 7,
            detached: true,
            environment: id(4, 32),
        },
    );
    put_answers(examples);
}

fn put_answers(examples: &mut Examples) {
    examples.put(Kind::WorkerOwns, &control::WorkerOwns { owns: true });
    examples.put(
        Kind::LeaseGranted,
        &control::LeaseGranted {
            request_id: 0x1_0000_0001,
            lease_id: 0x2_0000_0002,
            worker_id: id(3, 28),
            devices: vec![control::Devices { resource: "GPU".to_owned(), indices: vec![0, 3] }],
        },
    );
    examples.put(
        Kind::LeaseWaits,
        &control::LeaseWaits {
            request_id: 0x1_0000_0001,
            message: "It was ended by signal 9.".to_owned(),
            cap_reached: true,
        },
    );
    examples.put(
        Kind::LeaseRefused,
        &control::LeaseRefused {
            request_id: 0x1_0000_0001,
            kind: "runtime_env_failed".to_owned(),
            message: "It was ended by signal 9.".to_owned(),
        },
    );
    examples.put(
        Kind::CreateActorReply,
        &control::CreateActorReply {
            request_id: 0x1_0000_0001,
            existing_actor_id: id(2, 16),
            existing_handle_meta: b"existing handle meta".to_vec(),
            existing_class_name: "Counter".to_owned(),
            error: "TypeError".to_owned(),
            out_of_disk: "no space left".to_owned(),
        },
    );
}
