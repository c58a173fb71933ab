//! Lines to the driver.

use crate::log_tail::LineStream;
use crate::poller::Role;
use crate::process::Process;
use crate::service::Service;
use trygon_ids::JobId;
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
        let job_id = self.job_of(number);
        let job = self.jobs.get(&job_id);
        let driver = job.filter(|job| job.log_to_driver).and_then(|job| job.driver);
        let is_full = |driver: &Process| driver.connection.out_bytes() > MAX_DRIVER_BYTES;
        if !last && driver.and_then(|driver| self.processes.get(&driver)).is_some_and(is_full) {
            return false;
        }
        let is_far = driver.is_none() && job.is_some_and(|job| job.log_to_driver && job.remote_driver.is_some());
        if is_far && !last && !self.has_log_room() {
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
        match driver {
            Some(driver) => messages.iter().for_each(|message| self.send(driver, Kind::LogLines, message)),
            None if is_far => messages.iter().for_each(|message| self.send_lines_far(job_id, message)),
            // What a detached actor prints when its driver is gone is kept in the session's folder.
            None if self.jobs.get(&job_id).is_some_and(|job| job.driver.is_none()) => {
                messages.iter().for_each(|message| self.log_lines(job_id, message));
            }
            None => {}
        }
        true
    }

    /// Tells the driver of a job something that is for people.
    pub(crate) fn say_to(&mut self, job: JobId, message: String) {
        if self.session.is_some() {
            self.log(&message);
        }
        let (pid, lines) = (std::process::id(), vec![message]);
        let lines = LogLines { pid, name: "trygon".to_owned(), is_stderr: true, lines, dropped: 0 };
        match self.driver_of(job) {
            Some(driver) => self.send(driver, Kind::LogLines, &lines),
            None => self.send_lines_far(job, &lines),
        }
    }

    /// Tells people something that concerns no job: the driver if there is one, else whoever reads the log.
    pub(crate) fn say(&mut self, message: String) {
        match self.jobs.keys().next().copied().filter(|_| self.session.is_none()) {
            Some(job) => self.say_to(job, message),
            None => self.log(&message),
        }
    }
}
