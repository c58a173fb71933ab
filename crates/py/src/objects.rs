//! `put`.

use crate::codec::encode;
use crate::encoded::Encoded;
use crate::reference::ObjectRef;
use crate::session::{self, Session};
use pyo3::prelude::*;
use std::sync::Arc;
use trygon_worker::core::{SmallBytes, Value};

/// Stores a value and returns a reference to it.
#[pyfunction]
pub(crate) fn put(value: &Bound<'_, PyAny>) -> PyResult<ObjectRef> {
    let session = session::require(value.py())?;
    let mut encoded = encode(value)?;
    put_encoded(value.py(), &session, &mut encoded)
}

/// Stores an encoded value: in this process when it is small, in shared memory otherwise.
pub(crate) fn put_encoded(py: Python<'_>, session: &Arc<Session>, encoded: &mut Encoded) -> PyResult<ObjectRef> {
    let runtime = &session.runtime;
    if encoded.is_inline(py) {
        encoded.flatten(py);
        let value = Value::Inline(SmallBytes::copy_of(&encoded.head));
        let (slot, generation) = runtime.lock().core.put(value, &encoded.contained);
        return Ok(ObjectRef::own(session, slot, generation, 0));
    }
    let (slot, generation) = runtime.lock().core.reserve();
    // From here on the slot is released by the reference, also when storing fails.
    let reference = ObjectRef::own(session, slot, generation, 0);
    let id = reference.reference();
    let location = encoded.store(py, session, id.object, id.owner)?;
    runtime.lock().core.fill(slot, generation, Value::Stored(location), &encoded.contained);
    Ok(reference)
}
