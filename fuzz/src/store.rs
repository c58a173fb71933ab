//! What drivers and workers say to the object store of their daemon. Input: frames, each a byte for the sender, one for the kind, and a part
//! with the body.

use crate::input::Input;
use crate::universe::worker;
use trygon_store::server::{StoreOptions, StoreServer};
use trygon_wire::Kind;

const KINDS: [Kind; 7] = [
    Kind::SegmentRequest,
    Kind::SegmentMap,
    Kind::SegmentReturn,
    Kind::ObjectSealed,
    Kind::ObjectFree,
    Kind::ObjectPull,
    Kind::ReplicaRelease,
];
const MOST_FRAMES: usize = 40;
/// Small, so that it is full soon and no run fills memory.
const CAPACITY_BYTES: u64 = 256 << 10;

/// The store's laws hold whatever a process says.
pub(crate) fn store(data: &[u8]) {
    let mut input = Input::new(data);
    let mut server = StoreServer::with_options(StoreOptions { wait_ms: 5_000, ..StoreOptions::new(CAPACITY_BYTES) });
    let mut now_ms = 0;
    for _ in 0..MOST_FRAMES {
        if input.is_empty() {
            break;
        }
        let (sender, kind) = (input.byte(), input.byte());
        let from = worker(sender & 3);
        match KINDS.get(usize::from(kind)) {
            Some(kind) => {
                let _ = server.on_frame(from, *kind, input.part(), now_ms);
            }
            None if kind & 1 == 0 => {
                now_ms += input.pause_ms();
                let _ = server.on_tick(now_ms);
            }
            None => {
                let _ = server.on_worker_died(from, now_ms);
            }
        }
        if let Err(broken) = server.sanity_check() {
            panic!("{broken} after {kind}");
        }
        let _ = server.next_deadline_ms();
    }
}
