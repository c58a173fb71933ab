//! Shared memory, every field filled.

use super::{Examples, id};
use trygon_wire::{Kind, control};

/// Adds them.
pub(crate) fn put(examples: &mut Examples) {
    examples
        .put(Kind::SegmentRequest, &control::SegmentRequest { request_id: 0x1_0000_0001, size_bytes: 0x2_0000_0002 });
    examples.put(Kind::ReturnSegments, &control::ReturnSegments { for_ms: 0x0001_0001 });
    examples.put(Kind::SegmentMap, &control::SegmentMap { segment_id: 0x1_0000_0001 });
    examples.put(Kind::SegmentReturn, &control::SegmentReturn { segment_id: 0x1_0000_0001 });
    examples.put(Kind::NodeDrains, &control::NodeDrains { node_number: 0x0001_0001 });
    examples.put(Kind::NodeLost, &control::NodeLost { node_number: 0x0001_0001, message: "it died".to_owned() });
    examples.put(
        Kind::ObjectSealed,
        &control::ObjectSealed {
            object_id: id(1, 28),
            segment_id: 0x2_0000_0002,
            offset_bytes: 0x3_0000_0003,
            size_bytes: 0x4_0000_0004,
            owner: id(5, 28),
        },
    );
    examples.put(
        Kind::ObjectFree,
        &control::ObjectFree {
            object_id: id(1, 28),
            segment_id: 0x2_0000_0002,
            offset_bytes: 0x3_0000_0003,
            size_bytes: 0x4_0000_0004,
            reclaimed: true,
        },
    );
    put_answers(examples);
}

fn put_answers(examples: &mut Examples) {
    examples.put(
        Kind::SegmentGranted,
        &control::SegmentGranted { request_id: 0x1_0000_0001, segment_id: 0x2_0000_0002, size_bytes: 0x3_0000_0003 },
    );
    examples.put(
        Kind::SegmentMapped,
        &control::SegmentMapped { segment_id: 0x1_0000_0001, size_bytes: 0x2_0000_0002, watched: true },
    );
    examples.put(Kind::WatchSegment, &control::WatchSegment { segment_id: 0x1_0000_0001 });
    examples.put(
        Kind::SegmentWatched,
        &control::SegmentWatched { segment_id: 0x1_0000_0001, offsets: vec![0x2_0000_0002, 0x3_0000_0003] },
    );
    examples.put(Kind::LookEnded, &control::LookEnded { segment_id: 0x1_0000_0001, offset_bytes: 0x2_0000_0002 });
    examples.put(
        Kind::Reclaim,
        &control::Reclaim { segment_id: 0x1_0000_0001, offset_bytes: 0x2_0000_0002, size_bytes: 0x3_0000_0003 },
    );
    examples.put(
        Kind::SegmentRefused,
        &control::SegmentRefused {
            request_id: 0x1_0000_0001,
            capacity_bytes: 0x2_0000_0002,
            used_bytes: 0x3_0000_0003,
            message: "It was ended by signal 9.".to_owned(),
            disk_full: true,
        },
    );
    examples.put(
        Kind::ObjectPull,
        &control::ObjectPull {
            object_id: id(1, 28),
            segment_id: 0x2_0000_0002,
            offset_bytes: 0x3_0000_0003,
            size_bytes: 0x4_0000_0004,
            priority: 2,
            number: 0x5_0000_0005,
        },
    );
    examples.put(
        Kind::ObjectPulled,
        &control::ObjectPulled {
            object_id: id(1, 28),
            segment_id: 0x2_0000_0002,
            offset_bytes: 0x3_0000_0003,
            size_bytes: 0x4_0000_0004,
            error: "timed_out".to_owned(),
            message: "Its node could not be reached.".to_owned(),
            number: 0x5_0000_0005,
        },
    );
    examples.put(Kind::ReplicaRelease, &control::ReplicaRelease { object_id: id(1, 28) });
}
