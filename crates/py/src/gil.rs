//! The one door at which the GIL is given up and taken back.
//!
//! GIL-1: nothing waits for the GIL while it holds the engine's lock, and no Python code runs under that lock. So a thread that holds
//! the GIL may take the lock at any time.

use pyo3::prelude::*;
use std::time::Duration;
use trygon_worker::{Engine, Outcome, Patience, Runtime};

/// A signal that comes just before the sleep is noticed after this, in a wait that has begun lately.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// The same, in a long wait: a process that waits for hours is not to wake up for nothing.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Waits without the GIL until the condition holds or the time is over. Signals are handled between, so that Ctrl-C raises here.
pub(crate) fn wait(
    py: Python<'_>,
    runtime: &Runtime,
    patience: &Patience,
    mut condition: impl FnMut(&mut Engine) -> bool + Send,
) -> PyResult<bool> {
    let mut look = FIRST_LOOK;
    loop {
        let patience = patience.looking_up_after(look);
        let outcome = py.detach(|| runtime.wait(&patience, &mut condition));
        match outcome {
            Outcome::Ready => return Ok(true),
            Outcome::TimedOut => return Ok(false),
            Outcome::Interrupted => {
                look = (look * 2).min(LAST_LOOK);
                if let Err(error) = py.check_signals() {
                    runtime.stop_waiting();
                    return Err(error);
                }
            }
        }
    }
}

/// Runs what may block in the system, without the GIL.
pub(crate) fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> R {
    py.detach(work)
}
