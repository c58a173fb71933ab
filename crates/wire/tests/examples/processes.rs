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
            labels: std::collections::BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            spill: Some(spill()),
        },
    );
    put_sessions(examples);
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
            certificate: Some(certificate()),
            node_number: 0x0e0e_0e0e,
        },
    );
    examples.put(Kind::CertificateRenewed, &control::CertificateRenewed { certificate: Some(certificate()) });
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
            certificate: Some(certificate()),
            node_number: 0x0e0e_0e0e,
        },
    );
    put_peers(examples);
}

fn certificate() -> control::Certificate {
    control::Certificate { certificate_chain: vec![id(9, 3), id(10, 2)], private_key: id(11, 4), authority: id(12, 5) }
}

fn put_peers(examples: &mut Examples) {
    examples.put(
        Kind::PeerConnected,
        &control::PeerConnected {
            worker_id: id(1, 28),
            incarnation: id(2, 12),
            connection: 303,
            already: true,
            tls: control::TLS_SERVER,
            job_id: id(5, 4),
        },
    );
    examples.put(
        Kind::PeerLost,
        &control::PeerLost { worker_id: id(1, 28), connection: 303, reason: "The connection was reset.".to_owned() },
    );
    examples.put(Kind::CancelForced, &control::CancelForced { worker_id: id(1, 28) });
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
            unrecorded: true,
        },
    );
}

/// Daemons that stay, and who connects to them.
fn spill() -> control::SpillConfig {
    control::SpillConfig {
        is_off: true,
        directories: texts(&["first", "second"]),
        threshold: 0.5,
        file_bytes: 0x1_0000_0001,
        file_objects: 2,
        quota_bytes: 0x2_0000_0002,
        disk_share: 0.75,
    }
}

fn put_sessions(examples: &mut Examples) {
    let label = |key: &str, value: &str| std::collections::BTreeMap::from([(key.to_owned(), value.to_owned())]);
    examples.put(
        Kind::StartDaemon,
        &control::StartDaemon {
            head_patience_s: 60,
            package_version: "0.1.0".to_owned(),
            python_version: "3.12.1".to_owned(),
            session_directory: "/run/trygon/session".to_owned(),
            name: "first".to_owned(),
            head_address: "10.0.0.8:6379".to_owned(),
            ip: "10.0.0.7".to_owned(),
            port: 6379,
            key_file: "/run/trygon/key".to_owned(),
            resources: amounts("CPU", 1.5),
            labels: label("zone", "a"),
            object_store_memory_bytes: 0x1_0000_0001,
            prestart_workers: 2,
            max_workers: 5,
            idle_worker_ms: 4,
            key_text: "secret".to_owned(),
            storage: "redis://10.0.0.9:6379/0".to_owned(),
            certificate_lifetime_s: 86_400,
            spill: Some(spill()),
        },
    );
    examples.put(
        Kind::AttachDriver,
        &control::AttachDriver {
            package_version: "0.1.0".to_owned(),
            python_version: "3.12.1".to_owned(),
            python_executable: "/usr/bin/python3".to_owned(),
            sys_path: texts(&["first", "second"]),
            working_directory: "/srv/reports".to_owned(),
            namespace: "reports".to_owned(),
            log_to_driver: true,
            driver_pid: 3,
            argv: texts(&["first", "second"]),
            environment: id(4, 32),
            environment_description: b"description".to_vec(),
            job_directory: "/tmp/job".to_owned(),
            variables: label("TRYGON_LOG", "debug"),
            weight: 3.0,
        },
    );
    let tool = control::AttachTool { package_version: "0.1.0".to_owned(), is_life_line: true };
    examples.put(Kind::AttachTool, &tool);
}
