//! What processes say of tasks and objects, every field filled.

use super::{Examples, amounts, id};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    let wanted = "01000000aabb".to_owned();
    examples.put(Kind::Explain, &control::Explain { request_id: 0x1_0000_0001, wanted });
    let (past, task, object) = (past(), task(), object());
    let running = control::RunningFacts {
        task_id: id(1, 24),
        attempt: 2,
        has_begun: true,
        for_us: 3,
        is_blocked: true,
        behind: 4,
    };
    let borrowed = control::BorrowedFacts {
        object_id: id(1, 28),
        owner: id(2, 28),
        local_references: 3,
        uses: 4,
        state: "PENDING".to_owned(),
        is_awaited: true,
    };
    examples.put(
        Kind::Explained,
        &control::Explained {
            request_id: 0x1_0000_0002,
            tasks: vec![task],
            objects: vec![object],
            running: vec![running],
            borrowed: vec![borrowed],
            fate: "over".to_owned(),
            past,
        },
    );
}

fn past() -> Vec<control::AttemptFacts> {
    vec![control::AttemptFacts {
        attempt: 1,
        time_us: 2,
        reason: "It was ended by signal 9.".to_owned(),
        worker_id: id(3, 28),
    }]
}

fn task() -> control::TaskFacts {
    control::TaskFacts {
        task_id: id(1, 24),
        name: "count_words".to_owned(),
        state: "WAITS_FOR_LEASE".to_owned(),
        attempt: 2,
        retries_left: -1,
        past: past(),
        waits_for: vec![control::ArgumentFacts {
            object_id: id(4, 28),
            owner: id(5, 28),
            task_name: "read".to_owned(),
            state: "SENT".to_owned(),
        }],
        needs: amounts("CPU", 1.5),
        retry_in_ms: 6,
        executor: id(7, 28),
        others: 8,
        actor_id: id(9, 16),
        actor_state: "ALIVE".to_owned(),
        cancelled: true,
        error_kind: "worker_died".to_owned(),
        error_message: "It was ended.".to_owned(),
        is_rebuilding: true,
        num_dependencies: 10,
    }
}

fn object() -> control::ObjectFacts {
    control::ObjectFacts {
        object_id: id(1, 28),
        is_put: true,
        state: "STORED".to_owned(),
        size_bytes: 2,
        segment_id: 3,
        local_references: 4,
        uses: 5,
        borrowers: vec![control::BorrowerFacts { worker_id: id(6, 28), lends: -7 }],
        waiters: 8,
        contained: 9,
        pins: 10,
        no_rebuild: "It was made by put.".to_owned(),
        lost_reason: "Its node is gone.".to_owned(),
        error_kind: "object_lost".to_owned(),
        error_message: "It is lost.".to_owned(),
        retries_left: -11,
    }
}
