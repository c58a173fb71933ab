//! Python callables that the engine uses: pickling, errors, the actor's constructor. Set once by the package.

use parking_lot::RwLock;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

macro_rules! hooks {
    ($($name:ident,)*) => {
        /// The callables, by name.
        #[derive(Debug)]
        pub(crate) struct Hooks { $(pub(crate) $name: Py<PyAny>,)* pub(crate) loads: Py<PyAny> }

        impl Hooks {
            fn read(hooks: &Bound<'_, PyDict>) -> PyResult<Self> {
                let py = hooks.py();
                let callable = |name: &str| match hooks.get_item(name)? {
                    Some(hook) => Ok(hook.unbind()),
                    None => Err(pyo3::exceptions::PyKeyError::new_err(format!("hook {name} is missing"))),
                };
                let loads = py.import("_pickle")?.getattr("loads")?.unbind();
                Ok(Self { $($name: callable(stringify!($name))?,)* loads })
            }
        }
    };
}

hooks! {
    pickle,
    encode_error,
    decode_error,
    system_error,
    is_retryable,
    cancelled_error,
    auto_init,
    load_function,
    load_class,
    make_actor,
    actor_concurrency,
    run_event_loop,
    find_method,
    on_task_start,
    on_worker_start,
    split_returns,
    await_ref,
    future_of,
    inline_submit,
    next_item,
}

static HOOKS: RwLock<Option<Arc<Hooks>>> = RwLock::new(None);

/// Sets the callables that the engine uses.
#[pyfunction]
pub(crate) fn set_hooks(hooks: &Bound<'_, PyDict>) -> PyResult<()> {
    let read = Arc::new(Hooks::read(hooks)?);
    // The old ones are dropped after the lock is released: dropping runs Python code.
    let old = HOOKS.write().replace(read);
    drop(old);
    Ok(())
}

/// The callables.
pub(crate) fn hooks() -> PyResult<Arc<Hooks>> {
    let hooks = HOOKS.read().clone();
    hooks.ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("trygon is not imported as a package"))
}
