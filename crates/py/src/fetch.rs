//! `get` and `wait`.

use crate::buffers::Stored;
use crate::codec::{Copied, decode};
use crate::errors;
use crate::fetch_ahead::{Ahead, Fetched, Limit};
use crate::generator::ObjectRefGenerator;
use crate::reference::{Key, ObjectRef};
use crate::session::Session;
use crate::waiting::{closed, patience, usable_session};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::Arc;
use trygon_worker::core::{Location, Reference, SystemError, Value};
use trygon_worker::{Engine, Patience, StoreError, Urgency};

fn watch(engine: &mut Engine, key: &Key) -> bool {
    match key {
        Key::Own { slot, generation, index } => engine.core.watch_own(*slot, *generation, *index),
        Key::Borrowed(reference) => engine.core.watch(reference),
    }
}

fn reference_in(engine: &Engine, key: &Key) -> Reference {
    match key {
        Key::Own { slot, generation, index } => {
            let object = engine.core.object_id(*slot, *generation, *index);
            Reference { object, owner: engine.core.identity().worker }
        }
        Key::Borrowed(reference) => *reference,
    }
}

fn take(engine: &Engine, key: &Key) -> Fetched {
    let value = match key {
        Key::Own { slot, generation, index } => engine.core.value(*slot, *generation, *index),
        Key::Borrowed(reference) => engine.core.value_of(reference),
    };
    match value {
        Some(Value::Inline(bytes)) => Fetched::Inline(bytes.clone()),
        Some(Value::Stored(location)) => Fetched::Stored(*location),
        Some(Value::Error(error)) => Fetched::Error(error.clone()),
        Some(Value::Pending) | None => Fetched::Error(SystemError::new("object_freed").encode()),
    }
}

/// The value of a reference, or the values of a list of them in its order. Raises what the first failed one raised.
#[pyfunction]
#[pyo3(signature = (refs, timeout=None))]
pub(crate) fn get<'py>(py: Python<'py>, refs: &Bound<'py, PyAny>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(reference) = refs.cast_exact::<ObjectRef>() {
        let session = usable(py, reference.get())?;
        let key = reference.get().key();
        let limit = Limit::new(timeout);
        wait_for_all(py, &session, &[key], timeout, refs)?;
        let fetched = take(&session.runtime.lock(), &key);
        return value(py, &session, fetched, reference, limit);
    }
    let Ok(list) = refs.cast::<PyList>() else {
        let kind = refs.get_type().name()?;
        return Err(errors::invalid(py, &format!("get() takes an ObjectRef or a list of them, got {kind}")));
    };
    let Some(first) = list.iter().next() else {
        return Ok(PyList::empty(py).into_any());
    };
    let session = usable(py, reference_of(&first)?.get())?;
    let references = list.iter().map(|item| reference_of(&item).cloned()).collect::<PyResult<Vec<_>>>()?;
    let keys: Vec<Key> = references.iter().map(|reference| reference.get().key()).collect();
    let limit = Limit::new(timeout);
    wait_for_all(py, &session, &keys, timeout, refs)?;
    let engine = session.runtime.lock();
    let fetched: Vec<Fetched> = keys.iter().map(|key| take(&engine, key)).collect();
    let is_all_in_memory = engine.is_all_in_memory();
    drop(engine);
    let mut ahead = if is_all_in_memory { Ahead::nothing() } else { Ahead::of(&references, &fetched) };
    let values = fetched.into_iter().zip(&references).map(|(fetched, reference)| {
        ahead.next(&session);
        value(py, &session, fetched, reference, limit)
    });
    Ok(PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

fn reference_of<'a, 'py>(item: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, ObjectRef>> {
    item.cast_exact::<ObjectRef>().map_err(|_| {
        let kind = item.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        let message = format!("every item must be an ObjectRef, got {kind}");
        errors::system(item.py(), "invalid_argument", &[("message", &message), ("class", "TypeError")])
    })
}

pub(crate) fn usable(py: Python<'_>, reference: &ObjectRef) -> PyResult<Arc<Session>> {
    if reference.is_nothing() {
        let message = "the reference is nil: it stands for no object, only for one that was not ready in time";
        return Err(errors::invalid(py, message));
    }
    usable_session(py, reference.session())
}

fn wait_for_all(
    py: Python<'_>,
    session: &Arc<Session>,
    keys: &[Key],
    timeout: Option<f64>,
    refs: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let runtime = &session.runtime;
    let mut done = 0;
    // Objects of other nodes that are on their way here, all at once.
    let mut coming: Vec<Reference> = Vec::new();
    let mut advance = |engine: &mut Engine| {
        while done < keys.len() && watch(engine, &keys[done]) {
            if !engine.is_alone() {
                coming.push(reference_in(engine, &keys[done]));
            }
            done += 1;
        }
        coming.retain(|reference| !engine.fetch_value(reference, Urgency::Get));
        done == keys.len() && coming.is_empty()
    };
    if advance(&mut runtime.lock()) {
        return Ok(());
    }
    let patience = patience(py, session, timeout)?;
    let ready = crate::gil::wait(py, runtime, &patience, |engine| advance(engine) || engine.is_closed())?;
    if !ready {
        let seconds = timeout.unwrap_or_default().to_string();
        let missing = keys.len() - done;
        let what = if refs.is_instance_of::<PyList>() {
            format!("{missing} of {} objects", keys.len())
        } else {
            refs.repr()?.to_string()
        };
        let message = format!("{what} not ready after {seconds} s");
        return Err(errors::system(py, "get_timeout", &[("timeout", &seconds), ("message", &message)]));
    }
    if advance(&mut runtime.lock()) { Ok(()) } else { Err(closed(py)) }
}

fn value<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    fetched: Fetched,
    reference: &Bound<'py, ObjectRef>,
    limit: Limit,
) -> PyResult<Bound<'py, PyAny>> {
    match fetched {
        Fetched::Inline(bytes) => decode(py, session, &Copied(bytes.as_slice())),
        Fetched::Stored(location) => stored(py, session, location, &reference.clone().unbind(), limit),
        Fetched::Error(error) => Err(errors::from_bytes(py, &error)),
    }
}

/// Decodes a stored object: large parts are views that hold `pin`.
pub(crate) fn stored<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    location: Location,
    pin: &Py<ObjectRef>,
    limit: Limit,
) -> PyResult<Bound<'py, PyAny>> {
    let runtime = &session.runtime;
    let reference = pin.get().reference();
    let object = reference.object;
    if runtime.lock().must_ask(&location) {
        // A task's argument, or in a file. Ctrl-C and a cancelled task end this wait.
        let urgency = if limit.is_argument { Urgency::Argument } else { Urgency::Get };
        let arrived = |engine: &mut Engine| engine.fetch(&object, location, urgency) || engine.is_closed();
        if !crate::gil::wait(py, runtime, &limit.patience(), arrived)? {
            return Err(limit.exceeded(py, &object));
        }
    }
    let reason = match crate::gil::detached(py, || runtime.stored_bytes(&object, location)) {
        Ok(bytes) => return decode(py, session, &Stored { bytes: &bytes, pin }),
        Err(StoreError::Lost(reason)) => reason,
        Err(StoreError::Gone) => "its shared memory is gone".to_owned(),
        Err(error) => return Err(errors::store_of(py, &error, &object.hex())),
    };
    // A copy is looked for, or it is made again: this worker's CPU may be needed for that.
    let is_main = session.is_worker && crate::session::is_main_thread();
    let patience = if is_main { Patience::for_ever().lending_cpu() } else { Patience::for_ever() };
    runtime.lock().lose(&reference, location, &reason);
    let is_there = |engine: &mut Engine| engine.core.watch(&reference) || engine.is_closed();
    crate::gil::wait(py, runtime, &patience, is_there)?;
    if runtime.lock().is_closed() {
        return Err(closed(py));
    }
    let key = Key::Borrowed(reference);
    let fetched = take(&runtime.lock(), &key);
    value(py, session, fetched, pin.bind(py), limit)
}

/// The first `num_returns` references, in their order, whose objects are there, and the others. Arguments were checked by the package.
#[pyfunction]
#[pyo3(signature = (refs, num_returns, timeout, fetch_local))]
pub(crate) fn wait<'py>(
    py: Python<'py>,
    refs: &Bound<'py, PyList>,
    num_returns: usize,
    timeout: Option<f64>,
    fetch_local: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let items: Vec<Bound<'py, PyAny>> = refs.iter().collect();
    let targets = items.iter().map(|item| Target::of(item)).collect::<PyResult<Vec<Target<'_>>>>()?;
    let Some(first) = targets.first() else {
        return PyTuple::new(py, [PyList::empty(py), PyList::empty(py)]);
    };
    if has_duplicates(&targets) {
        return Err(PyValueError::new_err("wait() takes each reference once, but the list has duplicates."));
    }
    let session = match first {
        Target::Object(reference) => usable(py, reference)?,
        Target::Next(generator) => usable_session(py, generator.session())?,
    };
    let mut look = Look::new(&targets, num_returns, fetch_local);
    let found = look.again(&mut session.runtime.lock());
    if !found {
        let patience = patience(py, &session, timeout)?;
        let woken =
            crate::gil::wait(py, &session.runtime, &patience, |engine| look.again(engine) || engine.is_closed())?;
        if woken && look.left > 0 {
            // Nothing comes any more: a list without what was asked for would be asked for again and again.
            return Err(closed(py));
        }
    }
    let ready = look.ready;
    let (mut there, mut missing) = (Vec::with_capacity(num_returns), Vec::with_capacity(items.len()));
    for (item, is_ready) in items.into_iter().zip(ready) {
        if is_ready {
            there.push(item);
        } else {
            missing.push(item);
        }
    }
    PyTuple::new(py, [PyList::new(py, there)?, PyList::new(py, missing)?])
}

/// What `wait` waits for.
enum Target<'a> {
    Object(&'a ObjectRef),
    /// The next item of a generator, or its end.
    Next(&'a ObjectRefGenerator),
}

impl<'a> Target<'a> {
    fn of(item: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(reference) = item.cast_exact::<ObjectRef>() {
            return Ok(Self::Object(reference.get()));
        }
        let generator = item.cast_exact::<ObjectRefGenerator>().map_err(|_| {
            let kind = item.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            PyTypeError::new_err(format!(
                "wait() takes a list of ObjectRefs and ObjectRefGenerators, but one item is a {kind}."
            ))
        })?;
        Ok(Self::Next(generator.get()))
    }

    fn is_ready(&self, engine: &mut Engine, fetch_local: bool) -> bool {
        match self {
            Self::Object(reference) => {
                let key = reference.key_ref();
                let is_there = watch(engine, key);
                if !is_there || !fetch_local || engine.is_alone() {
                    return is_there;
                }
                let reference = reference_in(engine, key);
                engine.fetch_value(&reference, Urgency::Wait)
            }
            Self::Next(generator) => {
                let (slot, generation) = generator.place();
                engine.core.watch_stream(slot, generation)
            }
        }
    }

    /// A key that no other target of a list may have. A stream stands where no object does.
    fn key(&self) -> Key {
        match self {
            Self::Object(reference) => reference.key(),
            Self::Next(generator) => {
                let (slot, generation) = generator.place();
                Key::Own { slot, generation, index: u32::MAX }
            }
        }
    }
}

/// Which of many objects are there.
struct Look<'a> {
    targets: &'a [Target<'a>],
    ready: Vec<bool>,
    left: usize,
    seen: Option<u64>,
    /// An object of another node is there once it has been fetched.
    fetch_local: bool,
}

impl<'a> Look<'a> {
    fn new(targets: &'a [Target<'a>], wanted: usize, fetch_local: bool) -> Self {
        Self { targets, ready: vec![false; targets.len()], left: wanted, seen: None, fetch_local }
    }

    /// Whether enough are there. Looking costs as much as there are references, so it is done only when one of them has come since.
    fn again(&mut self, engine: &mut Engine) -> bool {
        let now = engine.num_arrivals();
        if self.seen == Some(now) {
            return false;
        }
        for (target, ready) in self.targets.iter().zip(&mut self.ready) {
            if !*ready && target.is_ready(engine, self.fetch_local) {
                *ready = true;
                self.left -= 1;
                if self.left == 0 {
                    return true;
                }
            }
        }
        self.seen = Some(now);
        false
    }
}

/// A table twice as large as the list, probed in a row: a few nanoseconds for each reference.
fn has_duplicates(items: &[Target<'_>]) -> bool {
    if items.len() < 2 {
        return false;
    }
    let mask = (items.len() * 2).next_power_of_two() - 1;
    let mut table = vec![u32::MAX; mask + 1];
    for (number, item) in items.iter().enumerate() {
        let key = item.key();
        let mut place = key.mixed() as usize & mask;
        while table[place] != u32::MAX {
            if items[table[place] as usize].key() == key {
                return true;
            }
            place = (place + 1) & mask;
        }
        table[place] = number as u32;
    }
    false
}
