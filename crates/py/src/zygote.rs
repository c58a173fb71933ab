//! The zygote's side of the conversation with the daemon: without Python's socket module, whose import costs more than a fork.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::time::Timespec;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use trygon_wire::{Header, Kind, control, decode, encode};

fn borrowed<'a>(descriptor: i32) -> BorrowedFd<'a> {
    // SAFETY: the zygote passes its own control socket, which it keeps open for its whole life.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

fn failed(error: Errno) -> PyErr {
    pyo3::exceptions::PyOSError::new_err(error.to_string())
}

fn write_all(descriptor: i32, mut bytes: &[u8]) -> PyResult<()> {
    while !bytes.is_empty() {
        match rustix::io::write(borrowed(descriptor), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for(descriptor, rustix::event::PollFlags::OUT),
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn wait_for(descriptor: i32, flags: rustix::event::PollFlags) {
    // An interrupted wait is followed by another try.
    let _ = rustix::event::poll(&mut [rustix::event::PollFd::from_borrowed_fd(borrowed(descriptor), flags)], None);
}

/// Whether there is something to read, or an end, before the limit.
fn is_readable(descriptor: i32, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let mut polled = [rustix::event::PollFd::from_borrowed_fd(borrowed(descriptor), rustix::event::PollFlags::IN)];
    loop {
        let rest = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match rustix::event::poll(&mut polled, rest.as_ref()) {
            Err(Errno::INTR) => {}
            outcome => return !matches!(outcome, Ok(0)),
        }
    }
}

/// Reads exactly `buffer.len()` bytes; descriptors that come beside them are added. False at the end of the stream.
fn read_exact(descriptor: i32, buffer: &mut [u8], descriptors: &mut Vec<i32>) -> PyResult<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut buffer[filled..])];
        match recvmsg(borrowed(descriptor), parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) if message.bytes == 0 => return Ok(false),
            Ok(message) => {
                filled += message.bytes;
                for part in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(passed) = part {
                        descriptors.extend(passed.map(IntoRawFd::into_raw_fd));
                    }
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for(descriptor, rustix::event::PollFlags::IN),
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(true)
}

fn malformed(error: trygon_wire::FrameError) -> PyErr {
    pyo3::exceptions::PyValueError::new_err(error.to_string())
}

/// The body of the next frame of this kind, and the descriptors beside it; None at the end of the stream. Others are answers to a zygote
/// that this one took the place of.
fn receive(control_fd: i32, kind: Kind) -> PyResult<Option<(Vec<u8>, Vec<i32>)>> {
    loop {
        match receive_any(control_fd)? {
            None => return Ok(None),
            Some((found, body, descriptors)) if found == kind => return Ok(Some((body, descriptors))),
            Some(_) => {}
        }
    }
}

/// A frame: its kind, its body and its descriptors.
type Received = (Kind, Vec<u8>, Vec<i32>);

fn receive_any(control_fd: i32) -> PyResult<Option<Received>> {
    let mut descriptors = Vec::new();
    let mut head = [0; Header::LEN];
    if !read_exact(control_fd, &mut head, &mut descriptors)? {
        return Ok(None);
    }
    let header = Header::parse(&head).map_err(malformed)?;
    let mut body = vec![0; header.body_len];
    if !read_exact(control_fd, &mut body, &mut descriptors)? {
        return Ok(None);
    }
    Ok(Some((header.kind, body, descriptors)))
}

/// Waits for the daemon's next order: the worker's number and its descriptors (control socket, standard output, standard error). None when
/// the daemon is gone.
#[pyfunction]
pub(crate) fn zygote_receive(py: Python<'_>, control_fd: i32) -> PyResult<Option<(u64, Vec<i32>)>> {
    py.check_signals()?;
    let Some((body, descriptors)) = receive(control_fd, Kind::ForkWorker)? else {
        return Ok(None);
    };
    let order: control::ForkWorker = decode(&body).map_err(malformed)?;
    Ok(Some((order.number, descriptors)))
}

/// Waits for the description of the environment that this zygote prepares. None when the daemon is gone.
#[pyfunction]
pub(crate) fn zygote_receive_environment(py: Python<'_>, control_fd: i32) -> PyResult<Option<Py<PyBytes>>> {
    let Some((body, _)) = receive(control_fd, Kind::PrepareEnvironment)? else {
        return Ok(None);
    };
    let order: control::PrepareEnvironment = decode(&body).map_err(malformed)?;
    Ok(Some(PyBytes::new(py, &order.description).unbind()))
}

/// What the cluster knows under a key of the environments: whether it is there, and the value. None when the daemon is gone; `TimeoutError`
/// after `timeout_s` seconds.
#[pyfunction]
pub(crate) fn zygote_look_up<'py>(
    py: Python<'py>,
    control_fd: i32,
    key: Vec<u8>,
    timeout_s: f64,
) -> PyResult<Option<(bool, Bound<'py, PyBytes>)>> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    // Another zygote's answer has another process's number.
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let request_id = u64::from(std::process::id()) << 32 | u64::from(number);
    let asked = control::KeyValueRequest {
        request_id,
        operation: "get".to_owned(),
        namespace: String::new(),
        key,
        value: Vec::new(),
        overwrite: false,
    };
    write_all(control_fd, &encode(Kind::KeyValueRequest, &asked))?;
    let until = Instant::now() + Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
    loop {
        if !is_readable(control_fd, until.saturating_duration_since(Instant::now())) {
            return Err(pyo3::exceptions::PyTimeoutError::new_err("the cluster's head did not answer"));
        }
        let Some((kind, body, _)) = receive_any(control_fd)? else {
            return Ok(None);
        };
        if kind != Kind::KeyValueReply {
            continue;
        }
        let answer: control::KeyValueReply = decode(&body).map_err(malformed)?;
        if answer.request_id == request_id {
            return Ok(Some((answer.existed, PyBytes::new(py, &answer.value))));
        }
    }
}

/// Tells the daemon what takes long in the preparation, or that it failed.
#[pyfunction]
pub(crate) fn zygote_send_report(control_fd: i32, message: String, failed: bool) -> PyResult<()> {
    write_all(control_fd, &encode(Kind::EnvironmentReport, &control::EnvironmentReport { message, failed }))
}

/// Tells the daemon that workers can be forked.
#[pyfunction]
pub(crate) fn zygote_send_ready(control_fd: i32) -> PyResult<()> {
    write_all(control_fd, &encode(Kind::ZygoteReady, &control::ZygoteReady { pid: std::process::id() }))
}

/// Tells the daemon which process a worker is.
#[pyfunction]
pub(crate) fn zygote_send_forked(control_fd: i32, number: u64, pid: u32) -> PyResult<()> {
    write_all(control_fd, &encode(Kind::WorkerForked, &control::WorkerForked { number, pid }))
}

/// Writes a worker's number into its environment, in place: whoever looks at the process from outside sees it, and at everything that it
/// starts. Nothing where the variable is not what the daemon made it.
#[pyfunction]
pub(crate) fn zygote_mark_worker(number: u64) -> String {
    let mark = format!("{number:016x}");
    // SAFETY: the worker has one thread yet, so nobody changes the environment meanwhile. The bytes that are written to are those that the
    // daemon put there for that, as many as are written: their length was just compared, and the end is left as it is.
    unsafe {
        let value = libc::getenv(c"TRYGON_WORKER_MARK".as_ptr());
        if !value.is_null() && libc::strlen(value) == mark.len() {
            std::ptr::copy_nonoverlapping(mark.as_ptr(), value.cast::<u8>(), mark.len());
        }
    }
    mark
}
