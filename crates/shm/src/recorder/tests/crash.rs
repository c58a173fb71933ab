//! A writer that dies after any one of its stores (OWN-8).

use super::super::publish::{self, RecorderMemory};
use std::cell::RefCell;
use trygon_wire::recorder::{self, LEN};

/// Memory that remembers each store of a single byte or word, in the order of execution.
#[derive(Default)]
struct StoreLog {
    stores: RefCell<Vec<(usize, Vec<u8>)>>,
}

impl RecorderMemory for StoreLog {
    fn write(&self, offset: usize, bytes: &[u8]) {
        // Backwards: stores of bytes have no order of their own, and forwards would hide a missing one.
        for (index, byte) in bytes.iter().enumerate().rev() {
            self.stores.borrow_mut().push((offset + index, vec![*byte]));
        }
    }

    fn write_u32(&self, offset: usize, value: u32) {
        self.stores.borrow_mut().push((offset, value.to_le_bytes().to_vec()));
    }

    fn publish_u64(&self, offset: usize, value: u64) {
        self.stores.borrow_mut().push((offset, value.to_le_bytes().to_vec()));
    }

    fn keep_before_later_writes(&self) {}
}

#[test]
fn every_prefix_of_the_stores_reads_as_complete_records() {
    let log = StoreLog::default();
    let frames: [(u64, &[&[u8]]); 5] =
        [(1, &[b"aaaa", b"bbbbbbbbbbb"]), (2, &[b"c"]), (3, &[b"dddddddddddddddd"]), (4, &[]), (5, &[b"eeeeeeeee"])];
    let mut staged_len = 0;
    for (index, (connection, parts)) in frames.iter().enumerate() {
        publish::set_started(&log, *connection, index as u32, index as u32 + 100, index as u32 + 200);
        publish::set_name(&log, ["first", "second one"][index % 2]);
        (_, staged_len) = publish::stage(&log, staged_len, *connection, parts).expect("room");
        if index % 2 == 0 {
            publish::clear_started(&log);
        }
        if index == 1 {
            publish::clear_staged(&log);
            staged_len = 0;
        }
    }
    let mut bytes = vec![0xaa; LEN];
    bytes[..recorder::LOG_OFFSET].fill(0);
    let mut most = 0;
    for (offset, stored) in log.stores.into_inner() {
        bytes[offset..offset + stored.len()].copy_from_slice(&stored);
        if let Some(started) = recorder::started(&bytes) {
            let index = started.connection as u32 - 1;
            assert_eq!((started.slot, started.generation, started.attempt), (index, index + 100, index + 200));
        }
        let staged = recorder::staged(&bytes);
        most = most.max(staged.len());
        for (connection, frame) in staged {
            assert_eq!(frame, frames[connection as usize - 1].1.concat());
        }
        assert!(["", "first", "second one"].contains(&recorder::running_name(&bytes).as_str()));
    }
    assert_eq!(most, 3);
}
