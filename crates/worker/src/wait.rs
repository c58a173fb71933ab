//! Waiting: one thread polls every socket for all, the others sleep until it has seen something.

use crate::engine::Engine;
use crate::link::CONTROL_EVENT;
use crate::mode::Mode;
use crate::runtime::Runtime;
use parking_lot::MutexGuard;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use trygon_worker_core::PeerIndex;

/// `EventData` of the wake-up descriptor; smaller numbers are peers.
pub(crate) const WAKE_EVENT: u64 = u64::MAX - 1;
/// A waiting worker says that its CPU is free after this, so that a fast nested `get` costs nothing.
const BLOCKED_AFTER: Duration = Duration::from_millis(1);
/// A sleeping thread looks at signals this often.
const SLICE: Duration = Duration::from_millis(50);
/// Who waits for something to be written looks again after this.
pub const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Events taken at once.
const MAX_EVENTS: usize = 64;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The condition holds.
    Ready,
    /// The time is over.
    TimedOut,
    /// A signal may have come: look, and wait again.
    Interrupted,
}

/// How long a wait may take, and what it means for the worker that waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    deadline: Option<Instant>,
    /// The wait is one of user code in a task: the CPU is lent out meanwhile.
    lends_cpu: bool,
    /// After so long the wait counts as interrupted, whether a signal was seen or not.
    look_up_after: Option<Duration>,
}

impl Patience {
    /// No limit.
    pub fn for_ever() -> Self {
        Self { deadline: None, lends_cpu: false, look_up_after: None }
    }

    /// At most this long from now.
    pub fn until(limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..Self::for_ever() }
    }

    /// The same, for a wait of user code.
    #[must_use]
    pub fn lending_cpu(self) -> Self {
        Self { lends_cpu: true, ..self }
    }

    /// The same, for a thread that has signals to handle. One that comes between its last look and its sleep does not wake it, and is seen
    /// when this time is over.
    #[must_use]
    pub fn looking_up_after(self, limit: Duration) -> Self {
        Self { look_up_after: Some(limit), ..self }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl Runtime {
    /// Waits until `condition` holds. It is asked under the engine's lock, after everything received was handled.
    pub fn wait(&self, patience: &Patience, mut condition: impl FnMut(&mut Engine) -> bool) -> Outcome {
        let mut engine = self.lock();
        if condition(&mut engine) {
            engine.settle_and_flush();
            return Outcome::Ready;
        }
        let began = Instant::now();
        let mut looked = false;
        let outcome = loop {
            if patience.lends_cpu
                && !engine.blocked
                && (engine.core.has_queued_tasks() || began.elapsed() >= BLOCKED_AFTER)
            {
                engine.enter_blocked();
            }
            let completed = engine.core.watched_completions();
            engine.settle_and_flush();
            if engine.core.watched_completions() != completed {
                // What was asked for was answered on the spot: its owner is known to be dead. Nothing else would wake this thread.
                if condition(&mut engine) {
                    break Outcome::Ready;
                }
                continue;
            }
            // A wait without time still sees what has arrived.
            if looked && patience.is_over() {
                break Outcome::TimedOut;
            }
            looked = true;
            let still_fast = patience.lends_cpu && engine.executing.is_some() && !engine.blocked;
            let limit = if still_fast { Some(BLOCKED_AFTER) } else { None };
            let limit = [limit, patience.left(), patience.look_up_after].into_iter().flatten().min();
            let interrupted;
            (engine, interrupted) = self.wait_once(engine, limit);
            if condition(&mut engine) {
                break Outcome::Ready;
            }
            // Whoever is woken again and again would never find that its sleep was long.
            if interrupted || began.elapsed() >= SLICE {
                break Outcome::Interrupted;
            }
        };
        if outcome != Outcome::Interrupted && patience.lends_cpu {
            engine.leave_blocked();
        }
        engine.settle_and_flush();
        outcome
    }

    /// Waits as [`Runtime::wait`] does, and goes on through signals: for what user code does not wait for.
    pub(crate) fn wait_through(&self, patience: &Patience, mut condition: impl FnMut(&mut Engine) -> bool) {
        // What is waited for may be written by another thread, and then nothing arrives that would wake this one: it looks by itself.
        while self.wait(&Patience::until(LOOK_AGAIN), &mut condition) != Outcome::Ready && !patience.is_over() {}
    }

    /// Handles what has arrived, without waiting, unless another thread is at it.
    pub fn poll_now(&self) {
        if let Some(_role) = self.poller.try_lock() {
            self.poll_sockets(Some(Duration::ZERO));
        }
    }

    /// Polls as the one poller, or sleeps until the poller has seen something.
    fn wait_once<'a>(
        &'a self,
        mut engine: MutexGuard<'a, Engine>,
        limit: Option<Duration>,
    ) -> (MutexGuard<'a, Engine>, bool) {
        if let Some(role) = self.poller.try_lock() {
            drop(engine);
            self.polling.fetch_add(1, Ordering::SeqCst);
            let interrupted = self.poll_sockets(limit);
            self.polling.fetch_sub(1, Ordering::SeqCst);
            drop(role);
            self.ensure_ticking();
            let engine = self.lock();
            // Whoever slept meanwhile looks at its own condition, and one of them polls next.
            if self.sleepers.load(Ordering::SeqCst) > 0 {
                self.changed.notify_all();
            }
            return (engine, interrupted);
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let slept = limit.map_or(SLICE, |limit| limit.min(SLICE));
        let timed_out = self.changed.wait_for(&mut engine, slept).timed_out();
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        let interrupted = timed_out && slept == SLICE || engine.running.wants_interrupt();
        (engine, interrupted)
    }

    /// One `epoll_wait` and everything that it reported. True when a signal came.
    pub(crate) fn poll_sockets(&self, limit: Option<Duration>) -> bool {
        let timeout = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs().min(1 << 30) as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        let mut buffer = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; MAX_EVENTS];
        let events = match epoll::wait(&*self.epoll, &mut buffer, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return true,
            Err(_) => return false,
        };
        if events.is_empty() {
            return false;
        }
        let mut engine = self.lock();
        for event in events.iter() {
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                CONTROL_EVENT => engine.on_control_readable(),
                WAKE_EVENT => {
                    let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]);
                }
                index => {
                    let index = PeerIndex(index as u32);
                    if flags.contains(epoll::EventFlags::OUT) {
                        engine.links.flush_peer(index);
                    }
                    if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                        engine.on_peer_readable(index);
                    }
                }
            }
        }
        if engine.known_death.is_some() {
            engine.handle_control_frames();
        }
        engine.settle_and_flush();
        if engine.core.next_retry_ns().is_some() {
            self.ensure_ticking();
        }
        self.wake_selector(!engine.work.is_empty() || engine.is_closed());
        // The signal came while this thread was no longer asleep: it looks at it as if it had woken it.
        engine.running.wants_interrupt()
    }

    /// Makes sure that the background thread looks after what this thread leaves behind.
    pub(crate) fn ensure_ticking(&self) {
        if Mode::wake(&self.mode) {
            let _ = rustix::io::write(&*self.background_wake, &1u64.to_ne_bytes());
        }
    }
}
