//! The zygote's side of the conversation with the daemon: without Python's socket module, whose import costs more than a fork.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
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

/// One frame's body and the descriptors beside it; None at the end of the stream.
fn receive(control_fd: i32) -> PyResult<Option<(Vec<u8>, Vec<i32>)>> {
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
    Ok(Some((body, descriptors)))
}

/// Waits for the daemon's next order: the worker's number and its descriptors (control socket, standard output, standard error). None when
/// the daemon is gone.
#[pyfunction]
pub(crate) fn zygote_receive(py: Python<'_>, control_fd: i32) -> PyResult<Option<(u64, Vec<i32>)>> {
    py.check_signals()?;
    let Some((body, descriptors)) = receive(control_fd)? else {
        return Ok(None);
    };
    let order: control::ForkWorker = decode(&body).map_err(malformed)?;
    Ok(Some((order.number, descriptors)))
}

/// Waits for the description of the environment that this zygote prepares. None when the daemon is gone.
#[pyfunction]
pub(crate) fn zygote_receive_environment(py: Python<'_>, control_fd: i32) -> PyResult<Option<Py<PyBytes>>> {
    let Some((body, _)) = receive(control_fd)? else {
        return Ok(None);
    };
    let order: control::PrepareEnvironment = decode(&body).map_err(malformed)?;
    Ok(Some(PyBytes::new(py, &order.description).unbind()))
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
