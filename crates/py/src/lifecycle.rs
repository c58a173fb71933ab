//! `start` and `shutdown`: the driver's daemon comes and goes with it.

use crate::errors;
use crate::process::{place_descriptor, without_signals};
use crate::queries::{Lines, described};
use crate::session::{self, Session};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use trygon_wire::control;
use trygon_worker::{RequestError, Runtime};

/// A daemon that was told to end gets this long.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

fn item<'py>(config: &Bound<'py, PyDict>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    config.get_item(name)?.ok_or_else(|| PyRuntimeError::new_err(format!("the configuration lacks {name}")))
}

/// How objects are to be written to files; the usual way where nothing is said.
fn spill(config: &Bound<'_, PyDict>) -> PyResult<Option<control::SpillConfig>> {
    let Some(given) = config.get_item("spill")? else { return Ok(None) };
    let given = given.cast_into::<PyDict>()?;
    Ok(Some(control::SpillConfig {
        is_off: item(&given, "is_off")?.extract()?,
        directories: item(&given, "directories")?.extract()?,
        threshold: item(&given, "threshold")?.extract()?,
        file_bytes: item(&given, "file_bytes")?.extract()?,
        file_objects: item(&given, "file_objects")?.extract()?,
        quota_bytes: item(&given, "quota_bytes")?.extract()?,
        disk_share: item(&given, "disk_share")?.extract()?,
    }))
}

/// Starts a daemon as a child and connects to it.
#[pyfunction]
pub(crate) fn start<'py>(py: Python<'py>, config: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    if session::current().is_some() {
        return Err(PyRuntimeError::new_err("the engine runs already; call shutdown() first"));
    }
    let binary: String = item(config, "binary")?.extract()?;
    let start = control::StartNode {
        package_version: item(config, "package_version")?.extract()?,
        python_version: item(config, "python_version")?.extract()?,
        python_executable: item(config, "python_executable")?.extract()?,
        sys_path: item(config, "sys_path")?.extract()?,
        resources: item(config, "resources")?.extract::<BTreeMap<String, f64>>()?,
        object_store_memory_bytes: item(config, "object_store_memory_bytes")?.extract()?,
        namespace: item(config, "namespace")?.extract()?,
        log_to_driver: item(config, "log_to_driver")?.extract()?,
        prestart_workers: item(config, "prestart_workers")?.extract()?,
        driver_pid: item(config, "driver_pid")?.extract()?,
        argv: item(config, "argv")?.extract()?,
        working_directory: item(config, "working_directory")?.extract()?,
        idle_worker_ms: item(config, "idle_worker_ms")?.extract()?,
        max_workers: item(config, "max_workers")?.extract()?,
        environment: item(config, "environment")?.extract()?,
        environment_description: item(config, "environment_description")?.extract()?,
        job_directory: item(config, "job_directory")?.extract()?,
        labels: item(config, "labels")?.extract()?,
        spill: spill(config)?,
    };
    let launched = trygon_worker::launch(Path::new(&binary), place_descriptor);
    let (socket, mut child) =
        launched.map_err(|error| errors::system(py, "system", &[("message", &error.to_string())]))?;
    let connected = without_signals(|| crate::gil::detached(py, || Runtime::connect_driver(socket, &start)));
    let (runtime, setup) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            // It may have ended by itself; either way nothing of it stays.
            let _ = child.kill();
            let _ = child.wait();
            return Err(errors::request(py, &error));
        }
    };
    describe(py, &Session::install(runtime, setup, false, Some(child)))
}

/// Connects to a daemon that runs already.
#[pyfunction]
pub(crate) fn attach<'py>(
    py: Python<'py>,
    socket_path: &str,
    config: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    if session::current().is_some() {
        return Err(PyRuntimeError::new_err("the engine runs already; call shutdown() first"));
    }
    let attach = control::AttachDriver {
        package_version: item(config, "package_version")?.extract()?,
        python_version: item(config, "python_version")?.extract()?,
        python_executable: item(config, "python_executable")?.extract()?,
        sys_path: item(config, "sys_path")?.extract()?,
        working_directory: item(config, "working_directory")?.extract()?,
        namespace: item(config, "namespace")?.extract()?,
        log_to_driver: item(config, "log_to_driver")?.extract()?,
        driver_pid: item(config, "driver_pid")?.extract()?,
        argv: item(config, "argv")?.extract()?,
        environment: item(config, "environment")?.extract()?,
        environment_description: item(config, "environment_description")?.extract()?,
        job_directory: item(config, "job_directory")?.extract()?,
        variables: item(config, "variables")?.extract()?,
        weight: item(config, "job_weight")?.extract()?,
    };
    let connected = without_signals(|| {
        crate::gil::detached(py, || {
            let gone =
                |error: std::io::Error| RequestError::Refused(format!("no node answers at {socket_path}: {error}"));
            let stream = UnixStream::connect(socket_path).map_err(gone)?;
            stream.set_nonblocking(true).map_err(gone)?;
            Runtime::attach_driver(OwnedFd::from(stream), &attach)
        })
    });
    let (runtime, setup) = connected.map_err(|error| errors::request(py, &error))?;
    describe(py, &Session::install(runtime, setup, false, None))
}

/// What `init` tells of the engine that runs.
fn describe<'py>(py: Python<'py>, session: &Session) -> PyResult<Bound<'py, PyDict>> {
    let setup = &session.setup;
    let info = PyDict::new(py);
    info.set_item("node_id", setup.node.hex())?;
    info.set_item("job_id", setup.identity.job.hex())?;
    info.set_item("worker_id", setup.identity.worker.hex())?;
    info.set_item("resources", setup.resources.clone().into_iter().collect::<BTreeMap<_, _>>())?;
    info.set_item("node_address", &setup.node_address)?;
    info.set_item("daemon_pid", setup.daemon_pid)?;
    Ok(info)
}

/// Ends the daemon and everything of the job; returns when it is gone, with the lines that workers printed last.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>) -> Vec<Lines> {
    let Some(session) = Session::remove() else { return Vec::new() };
    if !session.is_usable() {
        return Vec::new();
    }
    crate::gil::detached(py, || {
        let last = described(session.runtime.close());
        let Some(mut child) = session.daemon.lock().take() else { return last };
        let deadline = Instant::now() + SHUTDOWN_LIMIT;
        while Instant::now() < deadline {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // Its workers watch the sockets it held: they go with it.
        let _ = child.kill();
        let _ = child.wait();
        last
    })
}

/// From here on submissions go to the hook `inline_submit`, or to the engine again. Asked only where no engine runs.
#[pyfunction]
pub(crate) fn set_inline(is_inline: bool) {
    session::set_inline(is_inline);
}

/// Whether there is an engine.
#[pyfunction]
pub(crate) fn is_initialized() -> bool {
    session::current().is_some()
}

/// To be called in a child that Python forked: the engine stays the parent's.
#[pyfunction]
pub(crate) fn after_fork() {
    session::set_forked_child(true);
    session::forget_after_fork();
}
