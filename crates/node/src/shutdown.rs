//! The end: every process of the job is ended, whoever started it and however it hides from its group.

use crate::process::DRIVER;
use crate::service::Service;
use std::time::{Duration, Instant};

/// Time for the driver to take what it was sent last.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Time to see everything end.
const LIMIT: Duration = Duration::from_millis(900);

impl Service {
    /// Sends what is left, and ends every descendant.
    pub(crate) fn shut_down(&mut self) {
        let numbers: Vec<u64> = self.processes.keys().copied().filter(|number| *number != DRIVER).collect();
        for number in numbers {
            self.drain_output(number);
        }
        let until = Instant::now() + LAST_WORDS;
        self.dirty.insert(DRIVER);
        self.flush_all();
        while Instant::now() < until
            && self.processes.get(&DRIVER).is_some_and(|driver| driver.connection.out_bytes() > 0)
        {
            std::thread::sleep(Duration::from_millis(1));
            self.dirty.insert(DRIVER);
            self.flush_all();
            if !self.hung_up.is_empty() {
                break;
            }
        }
        trygon_processes::end_descendants(LIMIT);
        if !self.job_directory.is_empty() {
            // The driver names a folder of its own making. What cannot be removed is swept by the next driver.
            let _ = std::fs::remove_dir_all(&self.job_directory);
        }
    }
}
