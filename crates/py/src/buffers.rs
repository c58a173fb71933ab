//! Memory of the object store as Python buffers: read-only views on objects, and space to make one in place.

use crate::errors;
use crate::reference::ObjectRef;
use crate::session::{self, Session};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::Arc;
use trygon_worker::core::{SmallBytes, Value};
use trygon_worker::{StoredBytes, StoredWrite};

use crate::codec::Source;

/// A stored object that is being read: its bytes, and the reference that keeps them (STORE-2: the view pins the memory).
pub(crate) struct Stored<'a> {
    pub(crate) bytes: &'a StoredBytes,
    pub(crate) pin: &'a Py<ObjectRef>,
}

impl<'py> Source<'py> for Stored<'_> {
    fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    fn buffer(&self, py: Python<'py>, start: usize, len: usize) -> PyResult<Bound<'py, PyAny>> {
        let pinned = PinnedBuffer { bytes: self.bytes.clone(), start, len, _pin: self.pin.clone_ref(py) };
        Ok(Bound::new(py, pinned)?.into_any())
    }
}

/// A read-only view on a part of a stored object.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct PinnedBuffer {
    bytes: StoredBytes,
    start: usize,
    len: usize,
    _pin: Py<ObjectRef>,
}

#[pymethods]
impl PinnedBuffer {
    fn __len__(&self) -> usize {
        self.len
    }

    // SAFETY: called by Python, which passes a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let start = this.bytes.as_slice()[this.start..this.start + this.len].as_ptr();
        // SAFETY: Python passes a view to fill. The memory stays mapped and unchanged while the object lives, and the view holds the object.
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast_mut().cast(), this.len as isize, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }

    // SAFETY: called by Python with a view that was filled above.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}

enum Space {
    Open(StoredWrite),
    /// With what keeps it in memory as long as there are views.
    Sealed(Option<StoredBytes>),
}

/// Space in the object store to make a value in. Writable until it is sealed; sealing costs no copy.
#[pyclass(module = "trygon._native")]
pub(crate) struct StoreBuffer {
    session: Arc<Session>,
    space: Space,
    slot: u32,
    generation: u32,
    header_bytes: usize,
    size_bytes: usize,
    views: usize,
}

/// Room for the pickle that goes in front of the bytes when the object is sealed.
const HEADER_BYTES: usize = 1024;

/// Space for `size_bytes` bytes, 64-byte aligned, zeroed or not.
#[pyfunction]
pub(crate) fn create_in_store(py: Python<'_>, size_bytes: usize) -> PyResult<StoreBuffer> {
    let session = session::require(py)?;
    let runtime = &session.runtime;
    let reserved = crate::gil::detached(py, || runtime.reserve((HEADER_BYTES + size_bytes) as u64));
    let space = reserved.map_err(|error| errors::store(py, &error))?;
    let (slot, generation) = session.runtime.lock().core.reserve();
    Ok(StoreBuffer {
        session,
        space: Space::Open(space),
        slot,
        generation,
        header_bytes: HEADER_BYTES,
        size_bytes,
        views: 0,
    })
}

#[pymethods]
impl StoreBuffer {
    fn __len__(&self) -> usize {
        self.size_bytes
    }

    // SAFETY: called by Python, which passes a view to fill.
    unsafe fn __getbuffer__(mut slf: PyRefMut<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let header_bytes = slf.header_bytes;
        let size_bytes = slf.size_bytes;
        let holder = slf.as_ptr();
        let Space::Open(space) = &mut slf.space else {
            return Err(PyBufferError::new_err(
                "the object is sealed: it does not change any more; get() it to read it",
            ));
        };
        // SAFETY: the space has room for the header and the size; Python passes a view to fill, and the view holds the object.
        let filled = unsafe {
            let start = space.as_mut_ptr().add(header_bytes);
            ffi::PyBuffer_FillInfo(view, holder, start.cast(), size_bytes as isize, 0, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        slf.views += 1;
        Ok(())
    }

    // SAFETY: called by Python with a view that was filled above.
    unsafe fn __releasebuffer__(&mut self, _view: *mut ffi::Py_buffer) {
        self.views -= 1;
        if let (0, Space::Sealed(pinned)) = (self.views, &mut self.space) {
            *pinned = None;
        }
    }

    /// Makes the space an object whose value is `pickle`, with the space as its one out-of-band buffer. Views that are left must not be
    /// written to any more.
    fn seal(&mut self, py: Python<'_>, pickle: &[u8]) -> PyResult<ObjectRef> {
        let fixed = 1 + 8 + 4 + 8;
        if fixed + pickle.len() > self.header_bytes {
            return Err(PyValueError::new_err("the description of the array is too long to be stored in front of it"));
        }
        let Space::Open(mut space) = std::mem::replace(&mut self.space, Space::Sealed(None)) else {
            return Err(PyValueError::new_err("the object is sealed already"));
        };
        // The pickle is padded at its end (what follows its STOP is not read), so that the buffer begins where it lies.
        let body_len = self.header_bytes - fixed;
        let mut header = vec![0; self.header_bytes];
        header[0] = 10;
        header[1..9].copy_from_slice(&(body_len as u64).to_le_bytes());
        header[9..13].copy_from_slice(&1u32.to_le_bytes());
        header[13..21].copy_from_slice(&(self.size_bytes as u64).to_le_bytes());
        header[fixed..fixed + pickle.len()].copy_from_slice(pickle);
        // SAFETY: the space has room for the header, and nobody reads it before it is sealed.
        unsafe { std::ptr::copy_nonoverlapping(header.as_ptr(), space.as_mut_ptr(), header.len()) };
        let runtime = &self.session.runtime;
        let owner = self.session.setup.identity.worker;
        let object = runtime.lock().core.object_id(self.slot, self.generation, 0);
        // Views that are left look at it, as those of `get` do.
        let pinned = if self.views > 0 { runtime.pin(&space) } else { None };
        self.space = Space::Sealed(pinned);
        let location = crate::gil::detached(py, || runtime.seal(space, object, owner));
        runtime.lock().core.fill(self.slot, self.generation, Value::Stored(location), &[]);
        Ok(ObjectRef::own(&self.session, self.slot, self.generation, 0))
    }
}

impl Drop for StoreBuffer {
    fn drop(&mut self) {
        if matches!(self.space, Space::Open(_)) && self.session.is_usable() {
            let mut engine = self.session.runtime.lock();
            engine.core.fill(self.slot, self.generation, Value::Inline(SmallBytes::new()), &[]);
            engine.core.release_local(self.slot, self.generation, 0);
        }
    }
}
