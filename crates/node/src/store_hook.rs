//! The object store inside the daemon: what concerns it goes in, what it answers goes out.

use crate::service::Service;
use trygon_store::server::Outgoing;
use trygon_wire::control::ReturnSegments;
use trygon_wire::{FrameError, Kind};

/// As long as a request for memory may wait.
const SHORTAGE_MS: u32 = 10_000;

impl Service {
    /// A frame for the store.
    pub(crate) fn on_store_frame(&mut self, from: u64, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        let outgoing = self.store.on_frame(self.node.worker_id(from), kind, body, self.now_ms())?;
        self.send_outgoing(outgoing);
        if kind == Kind::SegmentRequest && self.store.stats().waiting_requests > 0 {
            let numbers: Vec<u64> = self.processes.keys().copied().collect();
            for number in numbers {
                self.send(number, Kind::ReturnSegments, &ReturnSegments { for_ms: SHORTAGE_MS });
            }
        }
        Ok(())
    }

    /// STORE-3: a process is gone, and everything that it had sent was handled.
    pub(crate) fn on_store_user_died(&mut self, number: u64) {
        let outgoing = self.store.on_worker_died(self.node.worker_id(number), self.now_ms());
        self.send_outgoing(outgoing);
    }

    /// Goes on with what the store has to do, if that is due.
    pub(crate) fn on_store_deadline(&mut self) {
        let now_ms = self.now_ms();
        if self.store.next_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            let outgoing = self.store.on_tick(now_ms);
            self.send_outgoing(outgoing);
        }
    }

    /// How the store is, in JSON.
    pub(crate) fn store_json(&self) -> String {
        self.store.stats_json()
    }

    fn send_outgoing(&mut self, outgoing: Vec<Outgoing>) {
        for Outgoing { to, frame, descriptor } in outgoing {
            let number = self.number_of(to);
            if let Some(process) = self.processes.get_mut(&number) {
                process.connection.send_frame(&frame, descriptor.into_iter().collect());
                self.dirty.insert(number);
            }
        }
    }
}
