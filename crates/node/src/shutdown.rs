//! The end: every process of every job is ended, whoever started it and however it hides from its group.

use crate::process::Part;
use crate::service::Service;
use std::time::{Duration, Instant};

/// Time for the driver to take what it was sent last.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Time to see everything end.
const LIMIT: Duration = Duration::from_millis(900);

impl Service {
    /// Sends what is left, and ends every descendant.
    pub(crate) fn shut_down(&mut self) {
        let workers: Vec<u64> = self.numbers_of(Part::Worker);
        for number in workers {
            self.drain_output(number);
        }
        let until = Instant::now() + LAST_WORDS;
        let drivers = self.numbers_of(Part::Driver);
        let is_behind = |service: &Self| {
            drivers
                .iter()
                .filter_map(|number| service.processes.get(number))
                .any(|driver| driver.connection.out_bytes() > 0)
        };
        self.dirty.extend(&drivers);
        self.flush_all();
        while Instant::now() < until && is_behind(self) {
            std::thread::sleep(Duration::from_millis(1));
            self.dirty.extend(&drivers);
            self.flush_all();
            if !self.hung_up.is_empty() {
                break;
            }
        }
        trygon_processes::end_descendants(LIMIT);
        // Not before: whoever hears it starts elsewhere what ran here.
        self.say_farewell();
        for job in self.jobs.values().filter(|job| !job.directory.is_empty()) {
            // The driver names a folder of its own making. What cannot be removed is swept by the next driver.
            let _ = std::fs::remove_dir_all(&job.directory);
        }
        self.store.remove_files();
        self.end_session();
    }

    fn numbers_of(&self, part: Part) -> Vec<u64> {
        self.processes.iter().filter(|(_, process)| process.part == part).map(|(number, _)| *number).collect()
    }
}
