//! What a daemon that stays has to say, and what workers print that have no driver: files of bounded size.

use crate::service::Service;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use trygon_ids::JobId;
use trygon_wire::control::LogLines;

/// A file that grew beyond this is put aside; one earlier file is kept.
const MAX_BYTES: u64 = 16 << 20;

/// Appends to a file of bounded size. What cannot be written is lost: nobody could be told.
pub(crate) fn append(path: &Path, text: &str) {
    let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) else {
        return;
    };
    if file.metadata().is_ok_and(|found| found.len() > MAX_BYTES) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        let _ = std::fs::rename(path, aside);
        match File::create(path) {
            Ok(fresh) => file = fresh,
            Err(_) => return,
        }
    }
    let _ = file.write_all(text.as_bytes());
}

/// A line with the time.
pub(crate) fn stamped(message: &str) -> String {
    format!("{} {message}\n", stamp())
}

/// The time as people read it.
fn stamp() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time_text(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time in milliseconds since the epoch as people read it, in UTC.
pub(crate) fn time_text(time_ms: u64) -> String {
    let seconds = time_ms / 1000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, date) = civil(day);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{date:02} {hour:02}:{minute:02}:{:02}.{:03}", second % 60, time_ms % 1000)
}

/// Year, month and day of a day since 1970: eras of 400 years, years that begin in March.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, date)
}

impl Service {
    /// Writes a line into the session's log. The daemon of one program has none.
    pub(crate) fn log(&self, message: &str) {
        if let Some(path) = self.log_path("daemon.log") {
            append(&path, &stamped(message));
        }
    }

    /// Keeps what a worker printed that has no driver.
    pub(crate) fn log_lines(&self, job: JobId, printed: &LogLines) {
        if let Some(path) = self.log_path(&format!("job-{job}.log")) {
            let prefix = format!("({} pid={})", printed.name, printed.pid);
            let text: String = printed.lines.iter().map(|line| format!("{prefix} {line}\n")).collect();
            append(&path, &text);
        }
    }

    fn log_path(&self, name: &str) -> Option<PathBuf> {
        self.session.as_ref().map(|session| session.folder.join("logs").join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }
}
