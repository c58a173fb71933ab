//! What the background thread does, as other threads see it.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the background thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Looks every millisecond.
    Ticking,
    /// Sleeps until a socket, or a thread, needs it.
    Sleeping,
    /// Ends.
    Stopping,
}

impl Mode {
    /// From sleeping to ticking; whether the thread has to be woken for it. A thread that is to end stays so: other threads drop references
    /// and ask for it while the engine is closed, and whoever closes it waits for its end.
    pub(crate) fn wake(mode: &AtomicU8) -> bool {
        let (from, to) = (Self::Sleeping as u8, Self::Ticking as u8);
        mode.load(Ordering::Relaxed) != to
            && mode.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{AtomicU8, Mode, Ordering};

    #[test]
    fn a_thread_that_is_to_end_stays_so() {
        let mode = AtomicU8::new(Mode::Sleeping as u8);
        assert!(Mode::wake(&mode) && !Mode::wake(&mode));
        mode.store(Mode::Stopping as u8, Ordering::SeqCst);
        assert!(!Mode::wake(&mode));
        assert_eq!(mode.load(Ordering::SeqCst), Mode::Stopping as u8);
    }
}
