//! Results and errors of user code in the form in which they travel.

use crate::codec::encode;
use crate::hooks::Hooks;
use pyo3::prelude::*;
use trygon_wire::task;
use trygon_worker::core::{Location, Reference, STREAMING, SystemError, user_error};
use trygon_worker::{Call, ReturnedValue};

/// A larger error is replaced by its type: it would be kept by every process that asks for the result.
const MAX_ERROR_BYTES: usize = 512 << 20;

/// A result in the form in which it travels.
pub(crate) enum Outgoing {
    Inline(Vec<u8>, Vec<Reference>),
    Stored(Location, Vec<Reference>),
    Error(Box<[u8]>),
}

impl Outgoing {
    pub(crate) fn as_returned(&self) -> ReturnedValue<'_> {
        match self {
            Self::Inline(bytes, contained) => ReturnedValue::Inline(bytes, contained),
            Self::Stored(location, contained) => ReturnedValue::Stored(*location, contained),
            Self::Error(error) => ReturnedValue::Error(error),
        }
    }
}

/// A result that was not made because its generator raised before.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct Unmade(pub(crate) Box<[u8]>);

/// The results of a call that raised: of a generator, its end is None and its last item is the error.
pub(crate) fn failed(py: Python<'_>, call: &Call, error: Box<[u8]>) -> PyResult<Vec<Outgoing>> {
    if call.push.num_returns != STREAMING {
        return Ok(vec![Outgoing::Error(error)]);
    }
    let end = encode(&py.None().into_bound(py))?.head;
    Ok(vec![Outgoing::Inline(end, Vec::new()), Outgoing::Error(error)])
}

/// How a call ended that replies with these.
pub(crate) fn status_of(outgoing: &[Outgoing]) -> u8 {
    let raised = outgoing.iter().any(|result| matches!(result, Outgoing::Error(_)));
    if raised { task::STATUS_ERROR } else { task::STATUS_OK }
}

/// An error of user code in the form in which it travels.
pub(crate) fn encode_error(py: Python<'_>, hooks: &Hooks, error: &PyErr, name: &str) -> PyResult<Box<[u8]>> {
    // Before CPython 3.12 the traceback lies beside the exception: this puts it in its place.
    let exception = error.clone_ref(py).into_value(py);
    let encoded = hooks.encode_error.call1(py, (exception, name));
    match encoded.and_then(|encoded| encoded.extract::<Vec<u8>>(py)) {
        Ok(bytes) if bytes.len() <= MAX_ERROR_BYTES => Ok(user_error(&bytes)),
        Ok(bytes) => {
            let kind = error.get_type(py).name()?.to_string();
            let megabytes = bytes.len() >> 20;
            let message =
                format!("{name} raised {kind} with {megabytes} MiB of text and arguments; errors may have 512 MiB");
            Ok(SystemError::new("system").with("message", message).encode())
        }
        // An exception whose own methods raise: its type is all that can be said.
        Err(_) => {
            let kind = error.get_type(py).name()?.to_string();
            Ok(SystemError::new("system")
                .with("message", format!("{name} raised {kind}, which cannot be described"))
                .encode())
        }
    }
}
