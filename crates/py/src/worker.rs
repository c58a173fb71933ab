//! The worker's main loop: takes work, runs it, replies.

use crate::errors;
use crate::process::{exit_now, leave, say_last_words, without_signals};
use crate::session::Session;
use crate::thread_actor::ThreadPool;
use crate::worker_call::{Runner, Verdict};
use pyo3::prelude::*;
use rustix::fd::{FromRawFd, OwnedFd};
use trygon_wire::control;
use trygon_worker::{Leave, Patience, Runtime, Work, WorkerExit};

/// The last handle of the actor is gone.
const OUT_OF_SCOPE: &str = "out_of_scope";
/// As long as Ray gives an actor whose handles are gone.
const LINGER_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs tasks, or one actor, until the daemon says to exit. Does not return.
#[pyfunction]
pub(crate) fn worker_main(py: Python<'_>, control_fd: i32) -> PyResult<()> {
    crate::session::forget_after_fork();
    crate::session::set_forked_child(false);
    // SAFETY: the zygote hands this descriptor over for good; nothing else in the process uses it.
    let socket = unsafe { OwnedFd::from_raw_fd(control_fd) };
    let connected = without_signals(|| crate::gil::detached(py, || Runtime::connect_worker(socket)));
    let (runtime, setup) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            // Standard error reaches the driver as long as the daemon lives.
            errors::request(py, &error).print(py);
            exit_now(1);
        }
    };
    crate::session::mark_main_thread();
    let session = Session::install(runtime, setup, true, None);
    // What the environment wants to run in each worker comes before any task; if it fails, nothing can run here.
    if let Some(message) = crate::hooks::hooks()?.on_worker_start.call0(py)?.extract::<Option<String>>(py)? {
        session.runtime.announce_exit("environment", &message, 1);
        leave(py, 1);
    }
    crate::cancel::listen(&session.runtime);
    session.runtime.announce_ready(std::process::id());
    let mut runner = Runner::new(session);
    let code = run(py, &mut runner)?;
    leave(py, code)
}

fn run(py: Python<'_>, runner: &mut Runner) -> PyResult<i32> {
    let runtime = std::sync::Arc::clone(&runner.session.runtime);
    let patience = Patience::for_ever();
    loop {
        let verdict = match runtime.try_next_work() {
            Ok(Some(Work::Call(call))) => runner.run_call(py, call),
            Ok(Some(Work::StartActor(start))) => become_actor(py, runner, *start),
            // Only a process with an event loop is told so.
            Ok(Some(Work::Cancel(_))) => Ok(Verdict::GoOn),
            Ok(Some(Work::Leave(Leave { kind, message, code }))) => Ok(Verdict::Exit { kind, message, code }),
            Ok(Some(Work::Exit(reason))) => {
                linger(py, &runtime);
                say_last_words(py);
                runtime.announce_exit("out_of_scope", &reason, 0);
                return Ok(0);
            }
            Ok(None) => match crate::gil::detached(py, || runtime.wait_for_work(&patience)) {
                Ok(()) => Ok(Verdict::GoOn),
                Err(WorkerExit(_)) => return Ok(0),
            },
            Err(WorkerExit(_)) => return Ok(0),
        };
        match verdict {
            Ok(Verdict::GoOn) => {}
            Ok(Verdict::Closed) => return Ok(0),
            Ok(Verdict::Exit { kind, message, code }) => {
                if kind == OUT_OF_SCOPE {
                    linger(py, &runtime);
                }
                say_last_words(py);
                runtime.announce_exit(kind, &message, code);
                return Ok(code);
            }
            // A failure of the engine itself, not of user code: the process is of no use any more.
            Err(error) => {
                error.print(py);
                runtime.announce_exit("exit", &format!("the worker failed: {error}"), 1);
                return Ok(1);
            }
        }
    }
}

/// Starts an actor. One that runs its calls one by one goes on in the loop above; for others this returns when they have ended.
fn become_actor(py: Python<'_>, runner: &mut Runner, start: control::StartActor) -> PyResult<Verdict> {
    let hooks = crate::hooks::hooks()?;
    match crate::groups::concurrency_of(py, &hooks, &start.options)? {
        None => runner.start_actor(py, &start),
        Some(concurrency) if concurrency.0 => {
            let runner = Runner::new(std::sync::Arc::clone(&runner.session));
            crate::async_actor::run(py, runner, start, &concurrency)
        }
        Some(concurrency) => match runner.start_actor(py, &start)? {
            Verdict::GoOn => match ThreadPool::new(py, runner, &concurrency) {
                Some(pool) => crate::thread_actor::run(py, pool),
                None => Ok(Verdict::Closed),
            },
            ended => Ok(ended),
        },
    }
}

/// What an actor without handles made may still be in use: it stays until others have let go of it, within a limit.
fn linger(py: Python<'_>, runtime: &Runtime) {
    let patience = Patience::until(LINGER_LIMIT);
    // A signal that ends the wait early ends the process, which it was about to do.
    let _ = crate::gil::wait(py, runtime, &patience, |engine| !engine.core.is_lent_out() || engine.is_closed());
}
