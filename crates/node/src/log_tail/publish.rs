//! Lines to the driver.

use crate::log_tail::LineStream;
use crate::poller::Role;
use crate::process::DRIVER;
use crate::service::Service;
use trygon_wire::Kind;
use trygon_wire::control::LogLines;

/// FLOW-1: while the driver has this much to read, lines stay with their worker, where they are bounded.
const MAX_DRIVER_BYTES: usize = 1 << 20;

impl Service {
    /// A worker printed something, or closed a stream.
    pub(crate) fn on_output(&mut self, number: u64, role: Role) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let stream = if role == Role::Output { &mut process.output } else { &mut process.errors };
        let Some(stream) = stream else { return };
        stream.read();
        if stream.has_batches() {
            self.talkative.insert(number);
        }
    }

    /// Reads what a dead worker printed last.
    pub(crate) fn drain_output(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        for stream in [&mut process.output, &mut process.errors].into_iter().flatten() {
            while stream.read() {}
            stream.finish();
        }
        self.publish(number, true);
    }

    /// Sends every line that waits.
    pub(crate) fn publish_all(&mut self) {
        for number in std::mem::take(&mut self.talkative) {
            if !self.publish(number, false) {
                self.talkative.insert(number);
            }
        }
    }

    /// False: the driver has enough to read.
    fn publish(&mut self, number: u64, last: bool) -> bool {
        let Some(driver) = self.processes.get(&DRIVER) else {
            return true;
        };
        if driver.connection.out_bytes() > MAX_DRIVER_BYTES && !last {
            return false;
        }
        let Some(process) = self.processes.get_mut(&number) else {
            return true;
        };
        let pid = process.pid_number();
        let mut messages = Vec::new();
        for (stream, is_stderr) in [(&mut process.output, false), (&mut process.errors, true)] {
            let batches = stream.as_mut().map(LineStream::take_batches).unwrap_or_default();
            messages.extend(batches.into_iter().map(|batch| {
                let crate::log_tail::lines::Batch { name, lines, dropped } = batch;
                LogLines { pid, name, is_stderr, lines, dropped }
            }));
        }
        if self.log_to_driver {
            for message in messages {
                self.send(DRIVER, Kind::LogLines, &message);
            }
        }
        true
    }

    /// Tells the driver something that is for people.
    pub(crate) fn say(&mut self, message: String) {
        let lines = vec![message];
        let pid = std::process::id();
        self.send(
            DRIVER,
            Kind::LogLines,
            &LogLines { pid, name: "trygon".to_owned(), is_stderr: true, lines, dropped: 0 },
        );
    }
}
