//! The loop: wait, handle what is ready, carry out, send.

use crate::cluster::{CONTROL, NETWORK};
use crate::connection::Flow;
use crate::memory_watch::MEMORY;
use crate::poller::{Ready, Role};
use crate::process::Part;
use crate::service::Service;
use crate::session::LISTENER;
use crate::signals::SIGNALS;
use crate::store_hook::{OWN_NUMBER, SPILL_NUMBER};
use crate::worker_pool::{ORPHANS, ZYGOTE};
use std::time::Duration;
use trygon_node_core::{EnvironmentId, Event};

impl Service {
    /// Runs until the driver is gone or says so; then ends everything of its job.
    pub(crate) fn run(&mut self) {
        let mut ready = Vec::new();
        self.finish_turn();
        while !self.stopping {
            let timeout = self.timeout();
            self.poller.wait(timeout, &mut ready);
            for event in &ready {
                self.on_ready(*event);
            }
            let now_ms = self.now_ms();
            if self.node.next_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                self.node_step(Event::Tick);
            }
            self.on_orphans_deadline();
            self.on_store_deadline();
            self.on_head_deadline();
            self.on_arrivals_deadline();
            self.on_stops_deadline();
            self.on_cluster_deadline();
            self.on_inquiries_deadline();
            self.finish_turn();
        }
        self.shut_down();
    }

    /// Until the next deadline; for ever when there is none, so that an idle node uses no CPU.
    fn timeout(&self) -> Option<Duration> {
        let store_ms = self.store.next_deadline_ms();
        if store_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms()) {
            return Some(Duration::ZERO);
        }
        let head_ms = self.head.next_deadline_us().map(|deadline_us| deadline_us.div_ceil(1000));
        let session_ms = self.arrivals_deadline_ms();
        let own_ms = [self.node.next_deadline_ms(), self.orphans_again_ms, self.stops_deadline_ms()];
        let own_ms = own_ms.into_iter().chain([self.inquiries.deadline_ms()]);
        let own_ms = own_ms.flatten().min();
        let deadlines_ms = [own_ms, store_ms, head_ms, session_ms, self.cluster_deadline_ms()];
        let deadline_ms = deadlines_ms.into_iter().flatten().min()?;
        // One more: a wait that ends a little early must not turn into a busy one.
        Some(Duration::from_millis(deadline_ms.saturating_sub(self.now_ms()) + 1))
    }

    fn on_ready(&mut self, ready: Ready) {
        match (ready.number, ready.role) {
            (ZYGOTE.., role) => {
                let environment = (ready.number - ZYGOTE) as EnvironmentId;
                if matches!(role, Role::Errors | Role::Output) {
                    return self.on_zygote_errors(environment);
                }
                if ready.writable {
                    self.flush_zygote(environment);
                }
                if ready.readable {
                    self.on_zygote_socket(environment);
                }
            }
            (OWN_NUMBER, _) => self.on_transfer_events(),
            (SPILL_NUMBER, _) => self.on_spill_events(),
            (number, Role::Ended) if number == ZYGOTE - 1 => self.on_zygote_left(),
            (LISTENER, _) => self.on_arrivals(),
            (NETWORK, _) => self.on_network(),
            (CONTROL, _) => self.on_control_socket(),
            (SIGNALS, _) => self.stop(),
            (ORPHANS, _) => self.on_orphans_ended(),
            (MEMORY, _) => self.on_memory_news(),
            (number, Role::Output | Role::Errors) => self.on_output(number, ready.role),
            (number, Role::Ended) => self.on_ended(number),
            (number, Role::Control) => {
                if ready.writable {
                    self.dirty.insert(number);
                }
                if ready.readable {
                    self.on_socket(number);
                }
            }
        }
    }

    fn on_socket(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return self.on_arriving(number);
        };
        let flow = process.connection.receive();
        self.read_frames(number);
        if flow == Flow::Closed {
            self.hung_up.push(number);
        }
    }

    /// What handling left to do: events that came up, lines, bytes, and processes that hung up.
    fn finish_turn(&mut self) {
        loop {
            for event in std::mem::take(&mut self.later) {
                self.node_step(event);
            }
            self.publish_all();
            self.flush_all();
            let hung_up = std::mem::take(&mut self.hung_up);
            if hung_up.is_empty() && self.later.is_empty() {
                return;
            }
            for number in hung_up {
                self.on_hang_up(number);
            }
        }
    }

    /// A process that closed its socket takes no part any more.
    fn on_hang_up(&mut self, number: u64) {
        let Some(process) = self.processes.get(&number) else {
            return;
        };
        match process.part {
            Part::Driver => return self.on_driver_left(number, false),
            Part::Tool => return self.on_tool_left(number),
            Part::Worker => {}
        }
        // A hang-up is reported for as long as the socket is watched.
        self.poller.remove(process.connection.as_fd());
        match process.pid {
            Some(pid) => {
                // What ends by itself has its status already, and a signal changes nothing of it.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            None => self.on_worker_ended(number, None),
        }
    }
}
