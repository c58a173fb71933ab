//! Starting, connecting and dying, every field filled.

use super::{Examples, amounts, id, texts};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(
        Kind::StartNode,
        &control::StartNode {
            package_version: "0.1.0".to_owned(),
            python_version: "3.12.1".to_owned(),
            python_executable: "/usr/bin/python3".to_owned(),
            sys_path: texts(&["first", "second"]),
            resources: amounts("CPU", 1.5),
            object_store_memory_bytes: 0x1_0000_0001,
            namespace: "reports".to_owned(),
            log_to_driver: true,
            prestart_workers: 2,
            driver_pid: 3,
            argv: texts(&["first", "second"]),
            working_directory: "/srv/reports".to_owned(),
            idle_worker_ms: 4,
            max_workers: 5,
            environment: id(4, 32),
            environment_description: b"description".to_vec(),
            job_directory: "/tmp/job".to_owned(),
            labels: std::collections::HashMap::from([("zone".to_owned(), "a".to_owned())]),
        },
    );
    examples.put(Kind::WorkerReady, &control::WorkerReady { pid: 1 });
    examples.put(Kind::Unblocked, &control::Unblocked {});
    examples.put(Kind::ConnectPeer, &control::ConnectPeer { worker_id: id(1, 28) });
    examples.put(
        Kind::NodeStarted,
        &control::NodeStarted {
            node_id: id(1, 28),
            job_id: id(2, 4),
            worker_id: id(3, 28),
            incarnation: id(4, 12),
            resources: amounts("CPU", 1.5),
            node_address: "10.0.0.7".to_owned(),
            daemon_pid: 5,
            package_version: "0.1.0".to_owned(),
            node_number: 0x0e0e_0e0e,
        },
    );
    examples.put(Kind::NodeFailed, &control::NodeFailed { message: "It was ended by signal 9.".to_owned() });
    examples.put(
        Kind::WorkerSetup,
        &control::WorkerSetup {
            worker_id: id(1, 28),
            incarnation: id(2, 12),
            job_id: id(3, 4),
            node_id: id(4, 28),
            namespace: "reports".to_owned(),
            node_address: "10.0.0.7".to_owned(),
            argv: texts(&["first", "second"]),
            num_cpus: 7.5,
            environment: id(4, 32),
            node_number: 0x0e0e_0e0e,
        },
    );
    put_peers(examples);
}

fn put_peers(examples: &mut Examples) {
    examples.put(
        Kind::PeerConnected,
        &control::PeerConnected { worker_id: id(1, 28), incarnation: id(2, 12), connection: 303, already: true },
    );
    examples.put(
        Kind::PeerDied,
        &control::PeerDied {
            worker_id: id(1, 28),
            death: Some(control::Death {
                kind: "signal".to_owned(),
                signal: 9,
                exit_code: 2,
                message: "It was ended by signal 9.".to_owned(),
                pid: 3,
            }),
            started: true,
            slot: 4,
            generation: 5,
            attempt: 6,
            frames: vec![b"one".to_vec(), b"two".to_vec()],
        },
    );
}
