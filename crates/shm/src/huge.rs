//! Whether huge pages are worth it right now.
//!
//! Where they can be had at once, a segment is made, mapped and given back many times faster than in small pages (measured: 16 against
//! 4 GB/s to make, and 1000 against 4 to map). On a virtual machine whose host has taken the free ones back they are nine times slower
//! than small ones instead. So each is timed, and when one was slow they are not tried again for a while.

use crate::mapping::{HUGE_PAGE_BYTES, provide_huge_page};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Small pages of the same size take half of this.
const SLOW: Duration = Duration::from_millis(1);
/// How long to do without them after that.
const PAUSE_MS: u64 = 3_000;

/// When huge pages may be tried again, in milliseconds since the first look.
static NOT_BEFORE_MS: AtomicU64 = AtomicU64::new(0);

fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// Provides huge pages from `start` on, as many as come fast, at most to `end`. Both are whole huge pages. Returns how far it came.
pub(crate) fn provide(descriptor: impl AsFd, start: u64, end: u64) -> u64 {
    if now_ms() < NOT_BEFORE_MS.load(Ordering::Relaxed) {
        return start;
    }
    for at in (start..end).step_by(HUGE_PAGE_BYTES) {
        let begun = Instant::now();
        let provided = provide_huge_page(&descriptor, at);
        if !provided || begun.elapsed() > SLOW {
            NOT_BEFORE_MS.store(now_ms() + PAUSE_MS, Ordering::Relaxed);
            return if provided { at + HUGE_PAGE_BYTES as u64 } else { at };
        }
    }
    end
}
