//! The object store inside the daemon: what concerns it goes in, what it answers goes out.

use crate::poller::Role;
use crate::process::Part;
use crate::service::Service;
use std::io;
use trygon_ids::WorkerId;
use trygon_store::server::{Outgoing, TransferOptions};
use trygon_store::transfer::{Dial, TransferHandle};
use trygon_wire::control::{LogLines, ReturnSegments};
use trygon_wire::{FrameError, Kind};

/// As long as a request for memory may wait.
const SHORTAGE_MS: u32 = 10_000;

/// Names the daemon itself among the processes, and its transfers in the poller; processes count up from 0, zygotes from 2^60.
pub(crate) const OWN_NUMBER: u64 = (1 << 60) - 3;
/// Names the threads for files in the poller.
pub(crate) const SPILL_NUMBER: u64 = (1 << 60) - 9;

impl Service {
    /// A frame for the store.
    pub(crate) fn on_store_frame(&mut self, from: u64, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        let outgoing = self.store.on_frame(self.node.worker_id(from), kind, body, self.now_ms())?;
        self.send_outgoing(outgoing);
        Ok(())
    }

    /// Somebody waits for memory: every process is asked for what it does not need.
    fn call_for_memory(&mut self) {
        let now_ms = self.now_ms();
        if self.store.calls_for_memory(now_ms) {
            let numbers: Vec<u64> = self.processes.keys().copied().collect();
            for number in numbers {
                self.send(number, Kind::ReturnSegments, &ReturnSegments { for_ms: SHORTAGE_MS });
            }
        }
    }

    /// The threads that write and read files have something to say.
    pub(crate) fn on_spill_events(&mut self) {
        let now_ms = self.now_ms();
        let outgoing = self.store.on_spill_events(now_ms);
        self.send_outgoing(outgoing);
        for notice in self.store.take_notices() {
            self.log(&notice);
            let drivers: Vec<u64> = self
                .processes
                .iter()
                .filter(|(_, process)| process.part == Part::Driver)
                .map(|(number, _)| *number)
                .collect();
            for number in drivers {
                let lines = LogLines {
                    name: "trygon".to_owned(),
                    is_stderr: true,
                    lines: vec![notice.clone()],
                    ..LogLines::default()
                };
                self.send(number, Kind::LogLines, &lines);
            }
        }
    }

    /// STORE-3: a process is gone, and everything that it had sent was handled.
    pub(crate) fn on_store_user_died(&mut self, number: u64) {
        let outgoing = self.store.on_worker_died(self.node.worker_id(number), self.now_ms());
        self.send_outgoing(outgoing);
    }

    /// Joins the store to those of the other nodes. Called once the cluster has given the node its number, before any job runs. Connections
    /// that others make for objects go to the handle, from whatever thread.
    ///
    /// # Errors
    /// When the system has no threads or descriptors left.
    pub(crate) fn join_stores(&mut self, node_number: u32, dial: Dial) -> io::Result<TransferHandle> {
        self.store.set_node_number(node_number);
        // The daemon as a writer of copies: a number that no process gets.
        let own = self.node.worker_id(OWN_NUMBER);
        let handle = self.store.start_transfers(TransferOptions { own, dial, budget_bytes: 0 })?;
        if let Some(events) = self.store.transfer_events() {
            self.poller.add(events, OWN_NUMBER, Role::Control)?;
        }
        Ok(handle)
    }

    /// The transfer threads have something to say.
    pub(crate) fn on_transfer_events(&mut self) {
        let now_ms = self.now_ms();
        let outgoing = self.store.on_transfer_events(now_ms);
        self.send_outgoing(outgoing);
    }

    /// Another node died, or a process on one: copies from there are not to be had any more, and what it owned here goes.
    pub(crate) fn on_foreign_death(&mut self, node_number: Option<u32>, workers: &[WorkerId]) {
        let now_ms = self.now_ms();
        if let Some(node_number) = node_number {
            let outgoing = self.store.on_node_died(node_number, now_ms);
            self.send_outgoing(outgoing);
        }
        for worker in workers {
            let outgoing = self.store.on_worker_died(*worker, now_ms);
            self.send_outgoing(outgoing);
        }
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
        let events = self.store.new_spill_events();
        if let Some(Err(error)) = events.map(|events| self.poller.add(events, SPILL_NUMBER, Role::Control)) {
            self.log(&format!("objects cannot be written to files: {error}"));
        }
        self.call_for_memory();
    }
}
