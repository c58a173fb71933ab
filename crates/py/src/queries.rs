//! Questions: the node's state, the key-value store, what runs here, what workers printed.

use crate::errors;
use crate::session;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::time::Duration;
use trygon_wire::control;
use trygon_worker::RequestError;

/// The node's state as JSON.
#[pyfunction]
#[pyo3(signature = (what, argument=""))]
pub(crate) fn query_state(py: Python<'_>, what: &str, argument: &str) -> PyResult<String> {
    let session = session::require(py)?;
    let runtime = &session.runtime;
    crate::gil::detached(py, || runtime.query_state(what, argument)).map_err(|error| errors::request(py, &error))
}

/// What goes by an id, a name or a code: for people, and as JSON.
#[pyfunction]
pub(crate) fn explain(py: Python<'_>, wanted: &str) -> PyResult<(String, String)> {
    let session = session::require(py)?;
    let runtime = &session.runtime;
    let mut ask = |what: &str, argument: &str| {
        let answer = crate::gil::detached(py, || runtime.query_state(what, argument));
        let json = answer.map_err(|error| match error {
            RequestError::Refused(message) | RequestError::OutOfDisk(message) => message,
            RequestError::Closed | RequestError::Interrupted => "the node's daemon is gone".to_owned(),
        })?;
        serde_json::from_str(&json).map_err(|error| format!("the daemon's answer makes no sense: {error}"))
    };
    let found = trygon_explain::explain(wanted, &mut ask).map_err(pyo3::exceptions::PyValueError::new_err)?;
    Ok((trygon_explain::render(&found), serde_json::Value::Array(found).to_string()))
}

/// One key-value call: whether the key existed, its value, keys for `list`.
#[pyfunction]
#[pyo3(signature = (operation, namespace, key, value=None, overwrite=true))]
pub(crate) fn key_value<'py>(
    py: Python<'py>,
    operation: String,
    namespace: String,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    overwrite: bool,
) -> PyResult<(bool, Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
    let session = session::require(py)?;
    let runtime = &session.runtime;
    let call = control::KeyValueRequest {
        request_id: 0,
        operation,
        namespace,
        key,
        value: value.unwrap_or_default(),
        overwrite,
    };
    let answer = crate::gil::detached(py, || runtime.key_value(call));
    let (existed, value, keys) = answer.map_err(|error| errors::request(py, &error))?;
    let keys = keys.iter().map(|key| PyBytes::new(py, key)).collect();
    Ok((existed, PyBytes::new(py, &value), keys))
}

/// Lines that one worker printed: process id, what ran, whether to standard error, the lines, how many were dropped.
pub(crate) type Lines = (u32, String, bool, Vec<String>, u64);

/// Waits up to `timeout` seconds for lines that workers printed. Takes none.
#[pyfunction]
pub(crate) fn wait_for_log_lines(py: Python<'_>, timeout: f64) {
    let Some(session) = session::current() else { return };
    let runtime = &session.runtime;
    let limit = Duration::try_from_secs_f64(timeout).unwrap_or_default();
    crate::gil::detached(py, || runtime.wait_for_log_lines(limit));
}

/// Takes the lines that workers printed since.
#[pyfunction]
pub(crate) fn take_log_lines(py: Python<'_>) -> Vec<Lines> {
    let Some(session) = session::current() else { return Vec::new() };
    let runtime = &session.runtime;
    described(crate::gil::detached(py, || runtime.take_log_lines()))
}

/// Lines as Python gets them.
pub(crate) fn described(lines: Vec<trygon_worker::LogLine>) -> Vec<Lines> {
    lines.into_iter().map(|line| (line.pid, line.name, line.is_stderr, line.lines, line.dropped)).collect()
}

/// What this process is and runs.
#[pyfunction]
pub(crate) fn context(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let session = session::require(py)?;
    let setup = &session.setup;
    let mut running = session.running.lock().clone();
    if let Some(call) = session::current_call(py) {
        running.task = Some(call.task);
        running.name.clone_from(&call.name);
        running.attempt = call.attempt;
    }
    let mut devices = running.devices.clone();
    let mut resources = running.resources.clone();
    if running.actor.is_none()
        && let Some(lease) = session.runtime.lease_info(running.lease)
    {
        devices = lease.devices;
        resources = lease.resources;
    }
    let context = PyDict::new(py);
    context.set_item("mode", if session.is_worker { "worker" } else { "driver" })?;
    context.set_item("job_id", setup.identity.job.hex())?;
    context.set_item("node_id", setup.node.hex())?;
    context.set_item("worker_id", setup.identity.worker.hex())?;
    context.set_item("task_id", running.task.map(|task| task.hex()))?;
    context.set_item("actor_id", running.actor.map(|actor| actor.hex()))?;
    context.set_item("task_name", running.name)?;
    context.set_item("namespace", &setup.namespace)?;
    context.set_item("node_address", &setup.node_address)?;
    let (resources, group, captures) = crate::placement::unplaced(resources);
    context.set_item("resources", resources)?;
    context.set_item("placement_group_id", group)?;
    context.set_item("placement_group_captures", captures)?;
    context.set_item("devices", devices.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
    context.set_item("actor_name", running.actor_name)?;
    context.set_item("actor_incarnation", running.actor_incarnation)?;
    context.set_item("attempt", running.attempt)?;
    context.set_item("argv", &setup.argv)?;
    context.set_item("num_cpus", setup.num_cpus)?;
    Ok(context)
}

/// Counts of this process's engine.
#[pyfunction]
pub(crate) fn object_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = PyDict::new(py);
    if let Some(session) = session::current() {
        let counts = session.runtime.lock().core.statistics();
        stats.set_item("owned", counts.owned)?;
        stats.set_item("borrowed", counts.borrowed)?;
        stats.set_item("tasks_in_flight", counts.unfinished)?;
        stats.set_item("inline_bytes", counts.inline_bytes)?;
        stats.set_item("leases", counts.leases)?;
        let broken = session.runtime.lock().core.sanity_check().err();
        stats.set_item("broken_invariant", broken)?;
    }
    Ok(stats)
}
