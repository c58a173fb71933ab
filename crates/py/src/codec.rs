//! Values to bytes and back: a native form for what is small and plain, pickle for everything else.
//!
//! A value is a tag and its body. Lists, tuples and dicts are native only when what is inside is plain, so that pickle keeps the identity
//! of whatever could be shared. Tags: 0 None, 1 True, 2 False, 3 int (i64), 4 float, 5 str, 6 bytes (length u64), 7 tuple, 8 list,
//! 9 dict, 10 pickle `{pickle length u64, buffers u32, each length u64, pickle, buffers at their alignment}`, 11 reference (object 28,
//! owner 28).

use crate::encoded::{Encoded, INLINE_BYTES, Part, aligned};
use crate::hooks::hooks;
use crate::reference::{ObjectRef, collecting, restore};
use crate::session::Session;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::sync::Arc;
use trygon_ids::{ObjectId, WorkerId};
use trygon_worker::core::Reference;

const NONE: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const STR: u8 = 5;
const BYTES: u8 = 6;
const TUPLE: u8 = 7;
const LIST: u8 = 8;
const DICT: u8 = 9;
const PICKLE: u8 = 10;
const REFERENCE: u8 = 11;

/// Longer containers of plain values go through pickle, which is faster for them; references are always native.
const MAX_NATIVE_ITEMS: usize = 64;
/// Nesting of tuples that the native form follows.
const MAX_NATIVE_DEPTH: u32 = 4;

/// Encodes any value.
pub(crate) fn encode(value: &Bound<'_, PyAny>) -> PyResult<Encoded> {
    let mut encoded = Encoded::default();
    encode_into(value, &mut encoded)?;
    Ok(encoded)
}

/// Appends a value's byte form to an empty `encoded`.
pub(crate) fn encode_into(value: &Bound<'_, PyAny>, encoded: &mut Encoded) -> PyResult<()> {
    if let Ok(bytes) = value.cast_exact::<PyBytes>()
        && bytes.as_bytes().len() > INLINE_BYTES
    {
        // The part begins at its alignment, which the reader knows to skip to.
        encoded.head.push(BYTES);
        encoded.head.extend_from_slice(&(bytes.as_bytes().len() as u64).to_le_bytes());
        encoded.parts.push(Part::Bytes(bytes.clone().unbind()));
        return Ok(());
    }
    let start = encoded.head.len();
    if native(value, &mut encoded.head, &mut encoded.contained, 0) {
        return Ok(());
    }
    encoded.head.truncate(start);
    encoded.contained.clear();
    pickle(value, encoded)
}

/// Appends a plain value. False when it is not plain; what was appended then is to be cut off.
pub(crate) fn native(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, contained: &mut Vec<Reference>, depth: u32) -> bool {
    if leaf(value, out) {
        return true;
    }
    if let Ok(reference) = value.cast_exact::<ObjectRef>() {
        let reference = reference.get().reference();
        out.push(REFERENCE);
        out.extend_from_slice(reference.object.as_bytes());
        out.extend_from_slice(reference.owner.as_bytes());
        contained.push(reference);
        return true;
    }
    if depth >= MAX_NATIVE_DEPTH {
        return false;
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return tuple.len() <= MAX_NATIVE_ITEMS && items(TUPLE, tuple.len(), tuple.iter(), out, contained, depth);
    }
    if depth > 0 {
        // A list or dict inside something may be there twice: pickle keeps it one object.
        return false;
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        let is_native = list.len() <= MAX_NATIVE_ITEMS
            || list.get_item(0).is_ok_and(|first| first.cast_exact::<ObjectRef>().is_ok());
        return is_native && items(LIST, list.len(), list.iter(), out, contained, depth);
    }
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        if dict.len() > MAX_NATIVE_ITEMS {
            return false;
        }
        out.push(DICT);
        out.extend_from_slice(&(dict.len() as u32).to_le_bytes());
        return dict.iter().all(|(key, value)| leaf(&key, out) && native(&value, out, contained, depth + 1));
    }
    false
}

fn items<'py>(
    tag: u8,
    len: usize,
    mut values: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
    contained: &mut Vec<Reference>,
    depth: u32,
) -> bool {
    out.push(tag);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    values.all(|value| native(&value, out, contained, depth + 1))
}

fn leaf(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> bool {
    if value.is_none() {
        out.push(NONE);
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        let Ok(number) = number.extract::<i64>() else {
            return false;
        };
        out.push(INT);
        out.extend_from_slice(&number.to_le_bytes());
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        // A lone surrogate is no UTF-8: pickle has a way for it.
        let Ok(text) = text.to_str() else {
            return false;
        };
        out.push(STR);
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        out.push(FLOAT);
        out.extend_from_slice(&number.value().to_le_bytes());
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        out.push(if flag.is_true() { TRUE } else { FALSE });
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        // Long ones are parts: their place is aligned.
        if bytes.as_bytes().len() > INLINE_BYTES {
            return false;
        }
        out.push(BYTES);
        out.extend_from_slice(&(bytes.as_bytes().len() as u64).to_le_bytes());
        out.extend_from_slice(bytes.as_bytes());
    } else {
        return false;
    }
    true
}

fn pickle(value: &Bound<'_, PyAny>, encoded: &mut Encoded) -> PyResult<()> {
    let py = value.py();
    let hooks = hooks()?;
    let (pickled, met) = collecting(|| hooks.pickle.call1(py, (value,)));
    let pickled = pickled?.into_bound(py).cast_into::<PyTuple>().map_err(PyErr::from)?;
    encoded.contained = met;
    let body = pickled.get_item(0)?.cast_into::<PyBytes>().map_err(PyErr::from)?;
    let body = body.as_bytes();
    let buffers = pickled.get_item(1)?;
    let mut views = Vec::new();
    for buffer in buffers.try_iter()? {
        let raw = buffer?.call_method0("raw")?;
        let view = PyBuffer::<u8>::get(&raw)?;
        if !view.is_c_contiguous() {
            return Err(PyBufferError::new_err("a pickled buffer is not contiguous"));
        }
        views.push(view);
    }
    let head = &mut encoded.head;
    head.push(PICKLE);
    head.extend_from_slice(&(body.len() as u64).to_le_bytes());
    head.extend_from_slice(&(views.len() as u32).to_le_bytes());
    for view in &views {
        head.extend_from_slice(&(view.len_bytes() as u64).to_le_bytes());
    }
    head.extend_from_slice(body);
    encoded.parts.extend(views.into_iter().map(Part::Buffer));
    Ok(())
}

/// Where a value's bytes are, and how a part of them becomes a Python object.
pub(crate) trait Source<'py> {
    /// The bytes.
    fn bytes(&self) -> &[u8];
    /// An object with the buffer protocol over a range of them.
    fn buffer(&self, py: Python<'py>, start: usize, len: usize) -> PyResult<Bound<'py, PyAny>>;
}

/// Bytes that are copied into Python objects.
pub(crate) struct Copied<'a>(pub(crate) &'a [u8]);

impl<'py> Source<'py> for Copied<'_> {
    fn bytes(&self) -> &[u8] {
        self.0
    }

    fn buffer(&self, py: Python<'py>, start: usize, len: usize) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyBytes::new(py, &self.0[start..start + len]).into_any())
    }
}

pub(crate) fn malformed() -> PyErr {
    PyRuntimeError::new_err("a value arrived that cannot be read: its bytes are malformed")
}

/// A reader of values, one after the other.
pub(crate) struct Decoder<'a, 'py, S> {
    pub(crate) py: Python<'py>,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) source: &'a S,
    pub(crate) position: usize,
}

impl<'a, 'py, S: Source<'py>> Decoder<'a, 'py, S> {
    pub(crate) fn take(&mut self, len: usize) -> PyResult<&'a [u8]> {
        let end = self.position.checked_add(len).ok_or_else(malformed)?;
        let bytes = self.source.bytes().get(self.position..end).ok_or_else(malformed)?;
        self.position = end;
        Ok(bytes)
    }

    pub(crate) fn u16(&mut self) -> PyResult<usize> {
        let bytes = self.take(2)?;
        Ok(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    }

    pub(crate) fn u32(&mut self) -> PyResult<usize> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn word(&mut self) -> PyResult<[u8; 8]> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(word)
    }

    fn len64(&mut self) -> PyResult<usize> {
        usize::try_from(u64::from_le_bytes(self.word()?)).map_err(|_| malformed())
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match self.take(1)?[0] {
            NONE => py.None().into_bound(py),
            TRUE => PyBool::new(py, true).to_owned().into_any(),
            FALSE => PyBool::new(py, false).to_owned().into_any(),
            INT => PyInt::new(py, i64::from_le_bytes(self.word()?)).into_any(),
            FLOAT => PyFloat::new(py, f64::from_le_bytes(self.word()?)).into_any(),
            STR => {
                let len = self.u32()?;
                let text = std::str::from_utf8(self.take(len)?).map_err(|_| malformed())?;
                PyString::new(py, text).into_any()
            }
            BYTES => {
                let len = self.len64()?;
                if len > INLINE_BYTES {
                    self.position = aligned(self.position);
                }
                PyBytes::new(py, self.take(len)?).into_any()
            }
            TUPLE => {
                let values = self.values()?;
                PyTuple::new(py, values)?.into_any()
            }
            LIST => {
                let values = self.values()?;
                PyList::new(py, values)?.into_any()
            }
            DICT => {
                let dict = PyDict::new(py);
                for _ in 0..self.u32()? {
                    let key = self.value()?;
                    dict.set_item(key, self.value()?)?;
                }
                dict.into_any()
            }
            REFERENCE => {
                let object = ObjectId::from_bytes(self.take(ObjectId::LEN)?).map_err(|_| malformed())?;
                let owner = WorkerId::from_bytes(self.take(WorkerId::LEN)?).map_err(|_| malformed())?;
                let reference = restore(py, self.session, Reference { object, owner })?;
                Bound::new(py, reference)?.into_any()
            }
            PICKLE => self.pickled()?,
            _ => return Err(malformed()),
        })
    }

    fn values(&mut self) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let count = self.u32()?;
        let mut values = Vec::with_capacity(count.min(self.source.bytes().len()));
        for _ in 0..count {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn pickled(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let body_len = self.len64()?;
        let count = self.u32()?;
        let mut lens = Vec::new();
        for _ in 0..count {
            lens.push(self.len64()?);
        }
        let body_start = self.position;
        self.take(body_len)?;
        let loads = &hooks()?.loads;
        if lens.is_empty() {
            let body = self.source.buffer(py, body_start, body_len)?;
            return Ok(loads.call1(py, (body,))?.into_bound(py));
        }
        let mut buffers = Vec::with_capacity(lens.len());
        for len in lens {
            let start = aligned(self.position);
            self.position = start;
            self.take(len)?;
            buffers.push(self.source.buffer(py, start, len)?);
        }
        let body = self.source.buffer(py, body_start, body_len)?;
        let keywords = PyDict::new(py);
        keywords.set_item("buffers", PyList::new(py, buffers)?)?;
        Ok(loads.call(py, (body,), Some(&keywords))?.into_bound(py))
    }
}

/// Decodes one value that is all of `source`.
pub(crate) fn decode<'py, S: Source<'py>>(
    py: Python<'py>,
    session: &Arc<Session>,
    source: &S,
) -> PyResult<Bound<'py, PyAny>> {
    Decoder { py, session, source, position: 0 }.value()
}
