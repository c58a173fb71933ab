//! Errors cross here: the engine's byte form becomes the exception that the package makes of it.

use crate::hooks::hooks;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use trygon_worker::core::{ErrorView, error_view};
use trygon_worker::{RequestError, StoreError};

/// The exception of an error's byte form.
pub(crate) fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyErr {
    match error_view(bytes) {
        ErrorView::User(encoded) => made(py, |hooks| hooks.decode_error.call1(py, (PyBytes::new(py, encoded),))),
        ErrorView::System { kind, details } => system_raw(py, kind, &details),
        ErrorView::Malformed => system(py, "system", &[("message", "an error arrived that cannot be read")]),
    }
}

/// The exception of an error of the engine.
pub(crate) fn system(py: Python<'_>, kind: &str, details: &[(&str, &str)]) -> PyErr {
    let details: Vec<(&str, &[u8])> = details.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    system_raw(py, kind, &details)
}

fn system_raw(py: Python<'_>, kind: &str, details: &[(&str, &[u8])]) -> PyErr {
    made(py, |hooks| {
        let fields = PyDict::new(py);
        for (name, value) in details {
            match (*name, std::str::from_utf8(value)) {
                // The constructor's error is bytes for `decode_error`, without the byte that tells it from others.
                ("error", _) => fields.set_item(name, PyBytes::new(py, value.get(1..).unwrap_or_default()))?,
                ("pid" | "signal" | "exit_code" | "attempts", Ok(text)) => {
                    fields.set_item(name, text.parse::<i64>().unwrap_or_default())?;
                }
                (_, Ok(text)) => fields.set_item(name, text)?,
                (_, Err(_)) => fields.set_item(name, PyBytes::new(py, value))?,
            }
        }
        hooks.system_error.call1(py, (kind, fields))
    })
}

fn made(py: Python<'_>, make: impl FnOnce(&crate::hooks::Hooks) -> PyResult<Py<PyAny>>) -> PyErr {
    match hooks().and_then(|hooks| make(&hooks)) {
        Ok(exception) => PyErr::from_value(exception.into_bound(py)),
        Err(error) => error,
    }
}

/// The exception of a call with wrong arguments.
pub(crate) fn invalid(py: Python<'_>, message: &str) -> PyErr {
    system(py, "invalid_argument", &[("message", message)])
}

/// The exception of a question that the daemon did not answer.
pub(crate) fn request(py: Python<'_>, error: &RequestError) -> PyErr {
    let message = match error {
        RequestError::Closed => "the node's daemon is gone; call trygon.init() to start again",
        RequestError::Interrupted => "interrupted",
        RequestError::Refused(message) => message,
        RequestError::OutOfDisk(message) => return system(py, "out_of_disk", &[("message", message)]),
    };
    system(py, "system", &[("message", message)])
}

/// The exception of an object that cannot be written.
pub(crate) fn store(py: Python<'_>, error: &StoreError) -> PyErr {
    store_of(py, error, "")
}

/// The exception of an object that cannot be written or read.
pub(crate) fn store_of(py: Python<'_>, error: &StoreError, object_id: &str) -> PyErr {
    let lost = |kind: &str, message: &str| system(py, kind, &[("object_id", object_id), ("message", message)]);
    match error {
        StoreError::Full { capacity_bytes, used_bytes, message } => {
            let (capacity, used) = (capacity_bytes.to_string(), used_bytes.to_string());
            system(py, "store_full", &[("capacity_bytes", &capacity), ("used_bytes", &used), ("message", message)])
        }
        StoreError::DiskFull(message) => system(py, "out_of_disk", &[("message", message)]),
        StoreError::Gone => lost("object_lost", "its shared memory is gone"),
        StoreError::Lost(message) => lost("object_lost", message),
        StoreError::TimedOut(message) => lost("object_fetch_timed_out", message),
        StoreError::Failed(message) => system(py, "system", &[("message", message)]),
    }
}
