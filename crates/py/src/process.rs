//! Calls on the process itself that Rust offers no safe form of.

use pyo3::prelude::*;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs `work` with every signal blocked in this thread, so that a thread it starts never takes a signal meant for Python.
pub(crate) fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut old = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are written by the calls before they are read, and live on this stack.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
    }
    let result = work();
    // SAFETY: `old` was filled by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), std::ptr::null_mut()) };
    result
}

/// In the child of `command`, descriptor `from` becomes descriptor `to`; Ctrl-C of the terminal does not reach the child.
pub(crate) fn place_descriptor(command: &mut Command, from: i32, to: i32) {
    let place = move || {
        // A program that ignores the ends of its children would have the daemon ignore those of its workers.
        // SAFETY: async-signal-safe; the child runs nothing but this.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        // SAFETY: these calls are async-signal-safe, and nothing else runs between fork and exec.
        let placed = unsafe {
            if from == to {
                let flags = libc::fcntl(from, libc::F_GETFD);
                libc::fcntl(from, libc::F_SETFD, flags & !libc::FD_CLOEXEC)
            } else {
                libc::dup2(from, to)
            }
        };
        if placed < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    command.process_group(0);
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(place) };
}

/// Ends the process at once, with nothing of Python's or the library's clean-up.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any code and does not return.
    unsafe { libc::_exit(code) }
}

/// Has the package write what this process counted, while the daemon still listens to it. Nothing where nothing was counted.
pub(crate) fn say_last_words(py: Python<'_>) {
    let flush = || -> PyResult<()> {
        let modules = py.import("sys")?.getattr("modules")?;
        if modules.contains("trygon._core.metrics")? {
            modules.get_item("trygon._core.metrics")?.call_method0("flush")?;
        }
        Ok(())
    };
    // A process that cannot count any more ends all the same.
    let _ = flush();
}

/// Writes what Python still buffers and ends the process. The interpreter is not torn down: that takes longer than most tasks, and
/// threads of user code could hold it up for ever.
pub(crate) fn leave(py: Python<'_>, code: i32) -> ! {
    let flush = || -> PyResult<()> {
        let sys = py.import("sys")?;
        sys.getattr("stdout")?.call_method0("flush")?;
        sys.getattr("stderr")?.call_method0("flush")?;
        Ok(())
    };
    // Where standard output is gone, so is the one who would read about it.
    let _ = flush();
    exit_now(code)
}
