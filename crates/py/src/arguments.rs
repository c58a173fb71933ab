//! A call's arguments: `{dependencies u32 = 0, positional u32, keywords u16, each keyword's name {length u16, bytes}, each value}`.
//!
//! A top-level reference is a dependency: its value is put in its place by whoever runs the call (tag 12 and its number, u32). A large value is
//! stored first and then a dependency too. A value that is followed by parts (pickled buffers) is padded to its alignment and wrapped (tag
//! 13 and its length, u32).

use crate::codec::{Decoder, Source, encode_into, malformed, native};
use crate::encoded::{Encoded, INLINE_BYTES};
use crate::objects::put_encoded;
use crate::reference::ObjectRef;
use crate::session::Session;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::cell::Cell;
use std::sync::Arc;
use trygon_worker::core::{Arguments, Reference};

const DEPENDENCY: u8 = 12;
const WRAPPED: u8 = 13;

/// Encoded arguments. Kept by the thread between calls, so that a small call allocates nothing.
#[derive(Default)]
pub(crate) struct ArgumentBuffer {
    payload: Vec<u8>,
    dependencies: Vec<Reference>,
    contained: Vec<Reference>,
    /// Keeps large values until the task is submitted, which takes counts of its own.
    stored: Vec<ObjectRef>,
}

thread_local! {
    static KEPT: Cell<Option<Box<ArgumentBuffer>>> = const { Cell::new(None) };
}

impl ArgumentBuffer {
    /// Encodes a call's arguments and hands them to `use_it`.
    pub(crate) fn with<R>(
        session: &Arc<Session>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
        use_it: impl FnOnce(&Arguments<'_>) -> R,
    ) -> PyResult<R> {
        let mut buffer = KEPT.with(Cell::take).unwrap_or_default();
        buffer.clear();
        let encoded = buffer.encode(session, args, kwargs);
        let result = encoded.map(|()| {
            use_it(&Arguments {
                payload: &buffer.payload,
                dependencies: &buffer.dependencies,
                contained: &buffer.contained,
            })
        });
        buffer.stored.clear();
        buffer.payload.shrink_to(1 << 20);
        KEPT.with(|kept| kept.set(Some(buffer)));
        result
    }

    fn clear(&mut self) {
        self.payload.clear();
        self.dependencies.clear();
        self.contained.clear();
        self.stored.clear();
    }

    fn encode(
        &mut self,
        session: &Arc<Session>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let keywords = kwargs.map_or(0, |kwargs| kwargs.len());
        self.payload.extend_from_slice(&[0; 4]);
        self.payload.extend_from_slice(&(args.len() as u32).to_le_bytes());
        self.payload.extend_from_slice(&(keywords as u16).to_le_bytes());
        if let Some(kwargs) = kwargs {
            for name in kwargs.keys() {
                let name = name.cast::<PyString>()?.to_str()?.to_owned();
                self.payload.extend_from_slice(&(name.len() as u16).to_le_bytes());
                self.payload.extend_from_slice(name.as_bytes());
            }
        }
        for value in args.iter() {
            self.argument(session, &value)?;
        }
        if let Some(kwargs) = kwargs {
            for (_, value) in kwargs.iter() {
                self.argument(session, &value)?;
            }
        }
        Ok(())
    }

    fn dependency(&mut self, reference: Reference) {
        self.payload.push(DEPENDENCY);
        self.payload.extend_from_slice(&(self.dependencies.len() as u32).to_le_bytes());
        self.dependencies.push(reference);
    }

    fn store(&mut self, session: &Arc<Session>, py: Python<'_>, encoded: &mut Encoded) -> PyResult<()> {
        let stored = put_encoded(py, session, encoded)?;
        self.dependency(stored.reference());
        self.stored.push(stored);
        Ok(())
    }

    fn argument(&mut self, session: &Arc<Session>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(reference) = value.cast_exact::<ObjectRef>() {
            if reference.get().session().number != session.number {
                let message = "an ObjectRef of an earlier session was passed; objects end with shutdown()";
                return Err(crate::errors::system(value.py(), "object_lost", &[("message", message)]));
            }
            self.dependency(reference.get().reference());
            return Ok(());
        }
        let start = self.payload.len();
        let num_contained = self.contained.len();
        // A task's message stays small: large arguments are stored beside it.
        if native(value, &mut self.payload, &mut self.contained, 0) {
            if self.payload.len() - start > INLINE_BYTES {
                let contained = self.contained.split_off(num_contained);
                let mut encoded = Encoded { head: self.payload.split_off(start), parts: Vec::new(), contained };
                return self.store(session, value.py(), &mut encoded);
            }
            return Ok(());
        }
        self.payload.truncate(start);
        self.contained.truncate(num_contained);
        let py = value.py();
        let mut encoded = Encoded::default();
        encode_into(value, &mut encoded)?;
        if encoded.len(py) > INLINE_BYTES {
            return self.store(session, py, &mut encoded);
        }
        self.contained.append(&mut encoded.contained);
        if encoded.parts.is_empty() {
            self.payload.extend_from_slice(&encoded.head);
            return Ok(());
        }
        // Parts are aligned within the value, wherever it lies in the message.
        let bytes = encoded.flatten(py);
        self.payload.push(WRAPPED);
        self.payload.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.payload.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads a call's arguments; `resolve` gives the value of a dependency by its number.
pub(crate) fn read<'py, S: Source<'py>>(
    py: Python<'py>,
    session: &Arc<Session>,
    source: &S,
    mut resolve: impl FnMut(usize) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
    let mut decoder = Decoder { py, session, source, position: 0 };
    let positional = decoder.u32()?;
    let keywords = decoder.u16()?;
    let mut names = Vec::with_capacity(keywords);
    for _ in 0..keywords {
        let len = decoder.u16()?;
        names.push(PyString::new(py, std::str::from_utf8(decoder.take(len)?).map_err(|_| malformed())?));
    }
    let mut next = |decoder: &mut Decoder<'_, 'py, S>| -> PyResult<Bound<'py, PyAny>> {
        match source.bytes().get(decoder.position) {
            Some(&DEPENDENCY) => {
                decoder.take(1)?;
                resolve(decoder.u32()?)
            }
            Some(&WRAPPED) => {
                decoder.take(1)?;
                let len = decoder.u32()?;
                let bytes = decoder.take(len)?;
                crate::codec::decode(py, session, &crate::codec::Copied(bytes))
            }
            _ => decoder.value(),
        }
    };
    let mut values = Vec::with_capacity(positional.min(1 << 20));
    for _ in 0..positional {
        values.push(next(&mut decoder)?);
    }
    let args = PyTuple::new(py, values)?;
    if keywords == 0 {
        return Ok((args, None));
    }
    let kwargs = PyDict::new(py);
    for name in names {
        kwargs.set_item(name, next(&mut decoder)?)?;
    }
    Ok((args, Some(kwargs)))
}
