//! The thread that stands by: it writes and reads when no other thread does.
//!
//! While something moves it ticks every millisecond. When nothing has moved for a while it sleeps: on every socket, or, while another
//! thread polls those, only until it is needed. So an idle process costs nothing, and a busy caller is not disturbed.

use crate::mode::Mode;
use crate::runtime::Runtime;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// FLOW-2: small values of this process may take this much of its own memory; above it they move to the object store.
pub(crate) const INLINE_BUDGET_BYTES: usize = 256 << 20;
/// Ticks without movement before it sleeps.
const QUIET_TICKS: u32 = 10;
/// Segments without an object go back to the daemon after this.
const IDLE_SEGMENT_TICKS: u32 = 1000;

/// How long nothing has moved.
#[derive(Default)]
struct Quiet {
    ticks: u32,
    /// The activity count at the last tick.
    seen: u64,
}

impl Quiet {
    /// Has the thread sleep when nothing has moved for a while. Under the engine's lock: whoever leaves something in the engine later looks
    /// at the mode later, and finds that it has to wake the thread.
    fn note(&mut self, runtime: &Runtime, activity: u64, is_needed: bool) {
        self.ticks = if activity == self.seen && !is_needed { self.ticks + 1 } else { 0 };
        self.seen = activity;
        if self.ticks >= QUIET_TICKS {
            self.ticks = 0;
            let (from, to) = (Mode::Ticking as u8, Mode::Sleeping as u8);
            let _ = runtime.mode.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

/// Starts the thread. It ends with the runtime.
pub(crate) fn start(runtime: &Arc<Runtime>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = Arc::clone(runtime);
    std::thread::Builder::new().name("trygon-io".to_owned()).stack_size(256 << 10).spawn(move || run(&runtime))
}

fn run(runtime: &Runtime) {
    let mut quiet = Quiet::default();
    let mut ticks = 0u32;
    loop {
        match runtime.mode.load(Ordering::SeqCst) {
            mode if mode == Mode::Stopping as u8 => return,
            mode if mode == Mode::Ticking as u8 => {
                // An event loop sleeps on its own descriptor: nobody but this thread reads for it.
                let reads_for_loop = runtime.polling.load(Ordering::SeqCst) == 0 && runtime.lock().awaited_tokens > 0;
                sleep(runtime, reads_for_loop, Some(&TICK));
                ticks = ticks.wrapping_add(1);
                tick(runtime, ticks.is_multiple_of(IDLE_SEGMENT_TICKS), &mut quiet);
            }
            _ => {
                let others_poll = runtime.polling.load(Ordering::SeqCst) > 0;
                let idle_work = runtime.store.next_idle_ms().is_some();
                // Segments that nobody uses go back even in a process that does nothing.
                let limit = idle_work.then_some(Timespec { tv_sec: 1, tv_nsec: 0 });
                if sleep(runtime, !others_poll, limit.as_ref()) {
                    let from = Mode::Sleeping as u8;
                    let _ =
                        runtime.mode.compare_exchange(from, Mode::Ticking as u8, Ordering::SeqCst, Ordering::SeqCst);
                    tick(runtime, false, &mut Quiet::default());
                } else {
                    return_segments(runtime);
                }
            }
        }
    }
}

/// Sleeps on the own descriptor, and on the sockets if `sockets` is set. False when the time was over.
fn sleep(runtime: &Runtime, sockets: bool, limit: Option<&Timespec>) -> bool {
    let mut descriptors =
        [PollFd::new(&*runtime.background_wake, PollFlags::IN), PollFd::new(&*runtime.epoll, PollFlags::IN)];
    let watched = if sockets { 2 } else { 1 };
    let woken = poll(&mut descriptors[..watched], limit).is_ok_and(|ready| ready > 0);
    if descriptors[0].revents().contains(PollFlags::IN) {
        let _ = rustix::io::read(&*runtime.background_wake, &mut [0u8; 8]);
    }
    woken
}

/// Reads if nobody else does, writes what waits, gives idle leases back.
fn tick(runtime: &Runtime, with_segments: bool, quiet: &mut Quiet) {
    if let Some(role) = runtime.poller.try_lock() {
        runtime.poll_sockets(Some(Duration::ZERO));
        drop(role);
    }
    if with_segments {
        return_segments(runtime);
    }
    if runtime.lock().core.inline_bytes() > INLINE_BUDGET_BYTES {
        runtime.move_inline_values(INLINE_BUDGET_BYTES / 8);
    }
    let mut engine = runtime.lock();
    // Whoever found the role taken sleeps by now, because it held this lock until it did.
    if runtime.sleepers.load(Ordering::SeqCst) > 0 {
        runtime.changed.notify_all();
    }
    let now_ns = engine.clock.now_ns();
    let over_budget = engine.core.inline_bytes() > INLINE_BUDGET_BYTES;
    let has_retries = engine.resubmit_due(now_ns);
    let has_stuck = engine.core.steal_stuck_tasks(now_ns);
    let has_interrupt = engine.running.interrupt_again(now_ns);
    let has_limits = engine.look_after_remotes() | engine.look_after_searches(now_ns);
    let leases_held = engine.core.return_idle_leases(now_ns, false) && engine.core.unfinished() == 0;
    if engine.executing.is_none() && engine.links.recorder.is_some() {
        engine.tell_ownership();
    }
    engine.flush_events();
    engine.settle_and_flush();
    if engine.control.closed && engine.links.recorder.is_some() {
        // The daemon is gone: nobody else ends what user code started here, and user code itself may never look up.
        drop(engine);
        trygon_processes::end_descendants(crate::execute::ORPHANS_LIMIT);
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        return;
    }
    if engine.is_closed() {
        runtime.changed.notify_all();
        let _ = rustix::io::write(&*runtime.wake, &1u64.to_ne_bytes());
    }
    let is_needed = has_limits
        || leases_held
        || has_retries
        || has_stuck
        || has_interrupt
        || over_budget
        || engine.control.has_backlog();
    quiet.note(runtime, engine.activity, is_needed);
}

fn return_segments(runtime: &Runtime) {
    // Unmapping takes time: before the lock.
    let idle = runtime.store.idle_segments(runtime.store.now_ms());
    if idle.is_empty() {
        return;
    }
    let mut engine = runtime.lock();
    for segment_id in idle {
        let message = trygon_wire::control::SegmentReturn { segment_id };
        engine.control.send(trygon_wire::Kind::SegmentReturn, &message);
    }
    engine.control.flush();
}
