//! From when to when a certificate is valid, read from its bytes, and instants as text for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Certificates begin this long before they are made, so that a peer whose clock is somewhat behind accepts them.
pub(crate) const BACKDATED: Duration = Duration::from_secs(3600);

/// How long a node's certificate is valid: a node that left the cluster is locked out after this at the latest.
pub const NODE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the certificate of a process, a daemon or the control service is valid. Connections that stand outlive it.
pub const PROCESS_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// From when to when a certificate is valid, in seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before_s: i64,
    /// The last second.
    pub not_after_s: i64,
}

impl Validity {
    /// Reads the validity of an X.509 certificate in DER. `None` when these bytes are none.
    pub fn of(certificate_der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate_der, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION_TAG) {
            (_, rest) = element(rest, VERSION_TAG)?;
        }
        // Serial number, signature algorithm and issuer stand before it.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, rest) = element(rest, tag)?;
        }
        let (times, _) = element(rest, SEQUENCE)?;
        let (not_before_s, times) = time(times)?;
        let (not_after_s, _) = time(times)?;
        Some(Self { not_before_s, not_after_s })
    }

    /// Whether a new certificate should be asked for: less than a third of the life is left.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        let life_s = self.not_after_s.saturating_sub(self.not_before_s.saturating_add(BACKDATED.as_secs() as i64));
        self.not_after_s.saturating_sub(unix_s(now)) < life_s / 3
    }

    /// How many seconds of it are left; 0 when it is over.
    pub fn seconds_left(&self, now: SystemTime) -> u64 {
        u64::try_from(self.not_after_s.saturating_sub(unix_s(now))).unwrap_or(0)
    }

    /// Whether it ended before `now`.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.not_after_s < unix_s(now)
    }
}

/// Seconds since 1970, negative before.
pub(crate) fn unix_s(instant: SystemTime) -> i64 {
    match instant.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// An instant as `2026-11-21 12:30:05 UTC`.
pub(crate) fn utc_text(unix_s: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(unix_s) {
        Ok(at) => {
            let (year, month, day) = at.to_calendar_date();
            let (hour, minute, second) = at.to_hms();
            format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC", u8::from(month))
        }
        Err(_) => format!("{unix_s} s since 1970"),
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION_TAG: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The content of the DER element with `tag` at the start of `bytes`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = bytes else { return None };
    if *found != tag {
        return None;
    }
    let (len, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        (rest[..count].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), &rest[count..])
    };
    rest.split_at_checked(len)
}

/// The time at the start of `bytes`, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest, year_digits) = match *bytes.first()? {
        UTC_TIME => element(bytes, UTC_TIME).map(|(text, rest)| (text, rest, 2))?,
        GENERALIZED_TIME => element(bytes, GENERALIZED_TIME).map(|(text, rest)| (text, rest, 4))?,
        _ => return None,
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if text.len() != year_digits + 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize| text[from..from + 2].parse::<u8>().ok();
    let year: i32 = text[..year_digits].parse().ok()?;
    // Two digits mean 1950 to 2049 (RFC 5280, 4.1.2.5.1).
    let year = if year_digits == 2 { year + if year < 50 { 2000 } else { 1900 } } else { year };
    let month = time::Month::try_from(number(year_digits)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, number(year_digits + 2)?).ok()?;
    let clock =
        time::Time::from_hms(number(year_digits + 4)?, number(year_digits + 6)?, number(year_digits + 8)?).ok()?;
    Some((date.with_time(clock).assume_utc().unix_timestamp(), rest))
}

#[cfg(test)]
mod tests;
