//! The one door at which the GIL is given up and taken back.
//!
//! GIL-1: nothing waits for the GIL while it holds the engine's lock, and no Python code runs under that lock. So a thread that holds
//! the GIL may take the lock at any time.

use pyo3::prelude::*;
use trygon_worker::{Engine, Outcome, Patience, Runtime};

/// Waits without the GIL until the condition holds or the time is over. Signals are handled between, so that Ctrl-C raises here.
pub(crate) fn wait(
    py: Python<'_>,
    runtime: &Runtime,
    patience: &Patience,
    mut condition: impl FnMut(&mut Engine) -> bool + Send,
) -> PyResult<bool> {
    loop {
        let outcome = py.detach(|| runtime.wait(patience, &mut condition));
        match outcome {
            Outcome::Ready => return Ok(true),
            Outcome::TimedOut => return Ok(false),
            Outcome::Interrupted => {
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
