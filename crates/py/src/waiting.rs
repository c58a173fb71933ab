//! What every wait of user code has in common: its limit, its session, its end.

use crate::errors;
use crate::session::{self, Session};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trygon_worker::Patience;

/// How long a wait of user code may take, and whether its CPU is lent out meanwhile.
pub(crate) fn patience(py: Python<'_>, session: &Session, timeout: Option<f64>) -> PyResult<Patience> {
    let patience = match timeout {
        None => Patience::for_ever(),
        Some(seconds) if seconds >= 0.0 => {
            Patience::until(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        }
        Some(seconds) => {
            return Err(PyValueError::new_err(format!("timeout must be None or >= 0 seconds, got {seconds}")));
        }
    };
    // Only the thread that runs the task lends its CPU; user threads of the task do not.
    let is_main = session.is_worker && session::is_main_thread();
    if is_main && session::has_event_loop() && timeout != Some(0.0) {
        warn_of_blocking(py)?;
    }
    Ok(if is_main { patience.lending_cpu() } else { patience })
}

/// Says once that a loop stands still while its thread waits.
fn warn_of_blocking(py: Python<'_>) -> PyResult<()> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        py.import("trygon._core.event_loop")?.call_method0("warn_of_blocking")?;
    }
    Ok(())
}

/// The engine ended while something was waited for.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    errors::system(
        py,
        "node_died",
        &[("message", "the engine was shut down, or its daemon is gone, while this was waited for")],
    )
}

/// The session, unless it has ended or belongs to the parent of this process.
pub(crate) fn usable_session(py: Python<'_>, session: &Arc<Session>) -> PyResult<Arc<Session>> {
    if session.number == session::current_number() && session.is_usable() {
        return Ok(Arc::clone(session));
    }
    let message =
        "the object belongs to an earlier session or to the parent of this process; objects end with shutdown()";
    Err(errors::system(py, "object_lost", &[("message", message)]))
}
