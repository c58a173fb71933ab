//! What two processes of one job say to each other, every field filled.

use super::{Examples, amounts, id};
use trygon_wire::{Kind, control, peer};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples.put(
        Kind::FunctionDefine,
        &peer::FunctionDefine {
            index: 1,
            hash: id(2, 32),
            name: "word_count".to_owned(),
            actor_id: id(3, 16),
            max_calls: 4,
            group: "io".to_owned(),
            retries_errors: true,
            retry_classes: b"classes".to_vec(),
        },
    );
    examples.put(Kind::FunctionFetch, &peer::FunctionFetch { hash: id(1, 32) });
    examples.put(Kind::FunctionBody, &peer::FunctionBody { hash: id(1, 32), body: b"body".to_vec() });
    examples.put(
        Kind::LeaseBind,
        &peer::LeaseBind {
            lease_id: 0x1_0000_0001,
            devices: vec![control::Devices { resource: "GPU".to_owned(), indices: vec![0, 3] }],
            resources: amounts("CPU", 1.5),
        },
    );
    examples.put(
        Kind::HandBack,
        &peer::HandBack { tasks: vec![peer::TaskKey { slot: 1, generation: 2, attempt: 3 }], blocked: true },
    );
    examples.put(
        Kind::Cancel,
        &peer::Cancel {
            task: Some(peer::TaskKey { slot: 1, generation: 2, attempt: 3 }),
            force: true,
            recursive: true,
        },
    );
    examples.put(
        Kind::CancelObject,
        &peer::CancelObject { object_id: id(1, 28), force: true, recursive: true, request_id: 0x2_0000_0002 },
    );
    examples.put(Kind::CancelAnswer, &peer::CancelAnswer { request_id: 0x1_0000_0001, actor_forced: true });
    put_lost(examples);
    examples.put(Kind::ObjectQuery, &peer::ObjectQuery { object_id: id(1, 28) });
    examples.put(
        Kind::ObjectReply,
        &peer::ObjectReply {
            object_id: id(1, 28),
            form: 1,
            value: b"value".to_vec(),
            segment_id: 0x3_0000_0003,
            offset_bytes: 0x4_0000_0004,
            size_bytes: 0x5_0000_0005,
            contained: vec![peer::Reference { object_id: id(6, 28), owner: id(7, 28) }],
        },
    );
    examples.put(
        Kind::BorrowReport,
        &peer::BorrowReport {
            object_id: id(1, 28),
            incarnation: id(2, 12),
            counter: 303,
            borrower: id(4, 28),
            lends: -2,
        },
    );
    examples.put(Kind::Steal, &peer::Steal { count: 1 });
}

/// What is said of lost objects.
fn put_lost(examples: &mut Examples) {
    examples.put(
        Kind::ObjectLost,
        &peer::ObjectLost {
            object_id: id(1, 28),
            segment_id: 0x2_0000_0002,
            offset_bytes: 0x3_0000_0003,
            size_bytes: 0x4_0000_0004,
            reason: "its node died".to_owned(),
        },
    );
    examples.put(Kind::CopyQuery, &peer::CopyQuery { object_id: id(1, 28) });
    examples.put(
        Kind::LocationUpdate,
        &peer::LocationUpdate {
            object_id: id(1, 28),
            is_here: true,
            segment_id: 0x3_0000_0003,
            offset_bytes: 0x4_0000_0004,
            size_bytes: 0x5_0000_0005,
        },
    );
}
