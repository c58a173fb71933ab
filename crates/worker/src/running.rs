//! The calls that this process has taken from its queue and not answered.
//!
//! A call is here from the moment it leaves the queue, under the same lock: whatever asks to cancel it finds it in one place or the other.
//! The thread that runs plain tasks is interrupted by a listener (a signal, in the extension), which asks back with
//! `Runtime::take_interrupt` when it is handled: if that very call does not run any more, nothing happens.

use crate::work::Call;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use trygon_wire::peer;
use trygon_worker_core::PeerIndex;

/// A signal may get lost between a look at signals and a sleep: it is sent again until somebody has taken it.
const INTERRUPT_AGAIN_NS: u64 = 10_000_000;

/// Makes the thread that runs plain tasks look at its signals. Called under the engine's lock: it must not wait, nor take the GIL.
pub type CancelListener = Box<dyn Fn() + Send + Sync>;

/// A running call: its caller's connection and its place in the caller's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CallKey(u64);

impl CallKey {
    pub(crate) fn new(peer: PeerIndex, slot: u32) -> Self {
        Self(u64::from(peer.0) << 32 | u64::from(slot))
    }

    /// The key of a call.
    pub fn of(call: &Call) -> Self {
        Self::new(call.peer, call.push.slot)
    }
}

/// Keys are small numbers of our own: one multiplication spreads them.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interrupt {
    Unasked,
    /// Asked for, last at this time.
    Asked(u64),
    Taken,
}

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) tag: u32,
    generation: u32,
    attempt: u32,
    pub(crate) is_actor_call: bool,
    /// Its code runs; before that it waits for its turn in an actor's group.
    pub(crate) has_begun: bool,
    cancelled: bool,
    interrupt: Interrupt,
}

/// The calls that run here.
#[derive(Default)]
pub(crate) struct RunningCalls {
    /// The only one, nearly always: a process runs its tasks one by one.
    first: Option<(CallKey, Running)>,
    others: HashMap<CallKey, Running, BuildHasherDefault<KeyHasher>>,
    last_tag: u32,
    /// How many of them are cancelled, to be read without the lock.
    num_cancelled: Arc<AtomicUsize>,
    pub(crate) listener: Option<CancelListener>,
    /// Calls of the actor run in an event loop, which ends them itself.
    pub(crate) has_loop: bool,
}

impl std::fmt::Debug for RunningCalls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunningCalls")
            .field("first", &self.first)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}

impl RunningCalls {
    fn get(&self, key: CallKey) -> Option<&Running> {
        match &self.first {
            Some((first, running)) if *first == key => Some(running),
            _ => self.others.get(&key),
        }
    }

    fn get_mut(&mut self, key: CallKey) -> Option<&mut Running> {
        match &mut self.first {
            Some((first, running)) if *first == key => Some(running),
            _ => self.others.get_mut(&key),
        }
    }

    /// The call leaves the queue and gets its number.
    pub(crate) fn start(&mut self, call: &mut Call) {
        // 0 stands for "no call".
        self.last_tag = self.last_tag.wrapping_add(1).max(1);
        call.tag = self.last_tag;
        let running = Running {
            tag: call.tag,
            generation: call.push.generation,
            attempt: call.push.attempt,
            is_actor_call: call.is_actor_call,
            has_begun: false,
            cancelled: false,
            interrupt: Interrupt::Unasked,
        };
        match &self.first {
            None => self.first = Some((CallKey::of(call), running)),
            Some(_) => {
                self.others.insert(CallKey::of(call), running);
            }
        }
    }

    /// Its code is to run now. False when it was cancelled, and answered, while it waited for its turn.
    pub(crate) fn begin(&mut self, call: &Call) -> bool {
        match self.get_mut(CallKey::of(call)) {
            Some(running) if running.tag == call.tag => {
                running.has_begun = true;
                true
            }
            _ => false,
        }
    }

    /// The call has its reply. Whether its code had begun.
    pub(crate) fn end(&mut self, call: &Call) -> bool {
        let key = CallKey::of(call);
        let Some(running) = self.get(key).filter(|running| running.tag == call.tag) else { return false };
        let has_begun = running.has_begun;
        self.forget(key);
        has_begun
    }

    pub(crate) fn forget(&mut self, key: CallKey) {
        let removed = match self.first.take_if(|(first, _)| *first == key) {
            Some((_, running)) => Some(running),
            None => self.others.remove(&key),
        };
        if removed.is_some_and(|running| running.cancelled) {
            self.num_cancelled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.num_cancelled)
    }

    /// The call that a caller means, if it runs.
    pub(crate) fn find(&self, key: CallKey, task: &peer::TaskKey) -> Option<&Running> {
        let running = self.get(key)?;
        ((running.generation, running.attempt) == (task.generation, task.attempt)).then_some(running)
    }

    /// The call in this place of its caller's table: which attempt runs, and whether its code does.
    pub(crate) fn look(&self, key: CallKey, generation: u32) -> Option<(u32, bool)> {
        let running = self.get(key).filter(|running| running.generation == generation)?;
        Some((running.attempt, running.has_begun))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Whether there is one only.
    pub(crate) fn is_single(&self) -> bool {
        self.first.is_some() && self.others.is_empty()
    }

    pub(crate) fn is_cancelled(&self, key: CallKey, tag: u32) -> bool {
        self.get(key).is_some_and(|running| running.tag == tag && running.cancelled)
    }

    /// Marks a call that runs. A plain task is interrupted, once more if it went on after an earlier interrupt.
    pub(crate) fn cancel(&mut self, key: CallKey, now_ns: u64) {
        let Some(running) = self.get_mut(key) else { return };
        let was_cancelled = std::mem::replace(&mut running.cancelled, true);
        let is_interrupted = !running.is_actor_call;
        if is_interrupted {
            running.interrupt = Interrupt::Asked(now_ns);
        }
        if !was_cancelled {
            self.num_cancelled.fetch_add(1, Ordering::Relaxed);
        }
        if is_interrupted {
            self.interrupt();
        }
    }

    fn interrupt(&self) {
        if let Some(listener) = &self.listener {
            listener();
        }
    }

    fn asked(&mut self) -> impl Iterator<Item = &mut Running> {
        // Without a cancelled call there is nothing to look for.
        let limit = if self.num_cancelled.load(Ordering::Relaxed) == 0 { 0 } else { usize::MAX };
        let first = self.first.as_mut().map(|(_, running)| running);
        let all = first.into_iter().chain(self.others.values_mut());
        all.take(limit).filter(|running| matches!(running.interrupt, Interrupt::Asked(_)))
    }

    /// Whether the thread that runs plain tasks is to look at its signals.
    pub(crate) fn wants_interrupt(&mut self) -> bool {
        self.asked().next().is_some()
    }

    /// Interrupts once more where nobody has taken the interrupt. True while there is such a call.
    pub(crate) fn interrupt_again(&mut self, now_ns: u64) -> bool {
        let Some(running) = self.asked().next() else { return false };
        if let Interrupt::Asked(asked_ns) = running.interrupt
            && now_ns.saturating_sub(asked_ns) >= INTERRUPT_AGAIN_NS
        {
            running.interrupt = Interrupt::Asked(now_ns);
            self.interrupt();
        }
        true
    }

    /// Takes the interrupt of a call.
    pub(crate) fn take_interrupt(&mut self, tag: u32) -> bool {
        let found = self.asked().find(|running| running.tag == tag);
        found.map(|running| running.interrupt = Interrupt::Taken).is_some()
    }

    /// The interrupt that a call took was lost: it is asked for again.
    pub(crate) fn renew_interrupt(&mut self, tag: u32, now_ns: u64) {
        let first = self.first.as_mut().map(|(_, running)| running);
        let mut all = first.into_iter().chain(self.others.values_mut());
        if let Some(running) = all.find(|running| running.tag == tag && running.interrupt == Interrupt::Taken) {
            running.interrupt = Interrupt::Asked(now_ns);
        }
    }
}
