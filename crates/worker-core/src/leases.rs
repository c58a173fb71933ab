//! Leases on workers: which one takes the next task, how many more are wanted, when one goes back.
//!
//! A lease is filled by expected time, not by number: half a millisecond of work keeps the worker busy while replies travel, and little is
//! stuck behind a task that turns out long.

use crate::effect::{Effect, Outbox, Task};
use crate::entry::Phase;
use crate::numbers::{FunctionIndex, PeerIndex};
use crate::state::{Class, ClassKey, Core, Lease, LeaseState};
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::NEAR_NODE_NUMBER;

/// Work that may be in flight to one worker.
const WINDOW_NS: u64 = 500_000;
/// Most tasks in flight to one worker.
const WINDOW_TASKS: u32 = 256;
/// An idle lease goes back after this.
const IDLE_NS: u64 = 5_000_000;
/// Tasks are asked back when their worker has not replied for so long.
const STUCK_NS: u64 = 2_000_000;
/// Most leases asked for at once.
const MAX_REQUESTED: u32 = 1024;
/// A function that takes longer is never queued behind another task: the hand-over costs less than a wrong guess.
const LONG_NS: u32 = 400_000;

impl Lease {
    pub(crate) fn is_held(&self) -> bool {
        self.state != LeaseState::Returned
    }

    fn has_room(&self, expected_ns: u32, one_at_a_time: bool) -> bool {
        if self.state != LeaseState::Ready {
            return false;
        }
        if self.in_flight == 0 {
            return true;
        }
        // Unknown, long and last-of-its-process tasks wait for a worker of their own.
        if expected_ns == 0 || expected_ns > LONG_NS || one_at_a_time {
            return false;
        }
        self.in_flight < WINDOW_TASKS && self.load_ns + u64::from(expected_ns) <= WINDOW_NS
    }
}

impl Core {
    pub(crate) fn class(&mut self, resources: &BTreeMap<String, f64>, environment: &[u8]) -> u32 {
        let amounts = resources.iter().map(|(name, amount)| (name.clone(), amount.to_bits())).collect();
        let key: ClassKey = (amounts, if self.defects.environment_unseen { Vec::new() } else { environment.to_vec() });
        if let Some(class) = self.class_of.get(&key) {
            return *class;
        }
        let class = self.classes.len() as u32;
        self.classes.push(Class {
            resources: resources.clone(),
            environment: environment.to_vec(),
            queue: VecDeque::new(),
            dropped: 0,
            leases: Vec::new(),
            requested: Vec::new(),
        });
        self.class_of.insert(key, class);
        class
    }

    /// Sends a ready task to the least loaded lease with room, or queues it.
    pub(crate) fn dispatch<O: Outbox>(&mut self, slot: u32, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        entry.phase = Phase::Queued;
        let function = entry.function;
        let class = self.class_of_task(slot);
        if self.classes[class as usize].queue.is_empty()
            && let Some(lease) = self.lease_with_room(class, function)
        {
            return self.push_to_lease(slot, lease, outbox);
        }
        self.classes[class as usize].queue.push_back(slot);
        self.request_leases(class);
    }

    fn lease_with_room(&self, class: u32, function: FunctionIndex) -> Option<u32> {
        let function = &self.functions[function.0];
        let leases = self.classes[class as usize].leases.iter().copied();
        leases
            .filter(|index| self.leases[*index as usize].has_room(function.average_ns, function.one_at_a_time))
            .min_by_key(|index| self.leases[*index as usize].in_flight)
    }

    fn push_to_lease<O: Outbox>(&mut self, slot: u32, lease_index: u32, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        // Nothing is queued behind a task that nobody can estimate.
        let expected_ns = match self.functions[entry.function.0].average_ns {
            0 => WINDOW_NS as u32,
            average => average,
        };
        entry.phase = Phase::Pushed;
        entry.lease = lease_index;
        entry.expected_ns = expected_ns;
        let lease = &mut self.leases[lease_index as usize];
        if lease.in_flight == 0 {
            lease.progress_ns = u64::MAX;
        }
        lease.in_flight += 1;
        lease.load_ns += u64::from(expected_ns);
        let (peer, lease_id) = (lease.peer, lease.lease_id);
        self.with_payload(slot, |core, payload| {
            let entry = core.table.at(slot);
            let task = Task {
                slot,
                generation: entry.generation,
                attempt: entry.attempt,
                function: entry.function,
                sequence: 0,
                lease_id,
                num_returns: entry.num_returns,
                depth: entry.depth,
                is_actor_call: false,
                is_retriable: entry.retries_left != 0,
                payload,
            };
            outbox.push(peer, &task);
        });
    }

    /// Moves queued tasks of a class to leases with room, and keeps what is asked for in step with what waits.
    pub(crate) fn refill<O: Outbox>(&mut self, class: u32, outbox: &mut O) {
        while let Some(slot) = self.first_queued(class) {
            let Some(lease) = self.lease_with_room(class, self.table.at(slot).function) else { break };
            self.classes[class as usize].queue.pop_front();
            if self.waits_again(slot) || self.fail_if_argument_failed(slot, outbox) {
                continue;
            }
            self.push_to_lease(slot, lease, outbox);
        }
        self.request_leases(class);
    }

    /// Asks for as many leases as the waiting work could use, or takes requests back when nothing waits.
    pub(crate) fn request_leases(&mut self, class: u32) {
        let first = self.first_queued(class);
        let Class { queue, dropped, requested, .. } = &self.classes[class as usize];
        let outstanding: u32 = requested.iter().map(|(_, count)| count).sum();
        let Some(first) = first else {
            if outstanding > 0 {
                for (request, _) in std::mem::take(&mut self.classes[class as usize].requested) {
                    self.effects.push(Effect::CancelRequest { request });
                }
            }
            return;
        };
        let entry = self.table.at(first);
        let function = &self.functions[entry.function.0];
        let waiting = queue.len() as u64 - u64::from(*dropped);
        // Short tasks share a worker, so that a thousand of them do not ask for a thousand.
        let wanted = match function.average_ns {
            0 => waiting,
            average => (waiting * u64::from(average)).div_ceil(WINDOW_NS).min(waiting),
        };
        let wanted = wanted.clamp(1, u64::from(MAX_REQUESTED)) as u32;
        // A new request for every task would be many messages: ask again when the need has doubled.
        if wanted <= outstanding || (outstanding > 0 && wanted < outstanding * 2) {
            return;
        }
        let request = self.next_request;
        self.next_request += 1;
        let count = wanted - outstanding;
        self.effects.push(Effect::RequestLeases {
            request,
            resources: self.classes[class as usize].resources.clone(),
            count,
            depth: entry.depth,
            name: function.name.clone(),
            environment: self.classes[class as usize].environment.clone(),
        });
        self.classes[class as usize].requested.push((request, count));
    }

    /// The daemon granted a lease. Grants of requests that were taken back are returned at once.
    pub fn on_lease_granted<O: Outbox>(
        &mut self,
        request: u64,
        lease_id: u64,
        peer: PeerIndex,
        now_ns: u64,
        outbox: &mut O,
    ) {
        let Some(class) = self.take_grant(request) else {
            self.effects.push(Effect::ReturnLease { lease_id, worker_exiting: false });
            return;
        };
        let lease = Lease {
            lease_id,
            peer,
            class,
            state: LeaseState::Ready,
            in_flight: 0,
            load_ns: 0,
            idle_since_ns: now_ns,
            progress_ns: u64::MAX,
        };
        let index = match self.leases.iter().position(|lease| !lease.is_held() && lease.in_flight == 0) {
            Some(index) => {
                self.leases[index] = lease;
                index
            }
            None => {
                self.leases.push(lease);
                self.leases.len() - 1
            }
        };
        self.classes[class as usize].leases.push(index as u32);
        self.refill(class, outbox);
    }

    /// A lease was granted on a worker that cannot be reached: it died meanwhile, or it is this process itself. The lease goes back, and
    /// what it was wanted for is asked for again.
    pub fn on_grant_unusable(&mut self, request: u64, lease_id: u64) {
        self.effects.push(Effect::ReturnLease { lease_id, worker_exiting: true });
        if let Some(class) = self.take_grant(request) {
            self.request_leases(class);
        }
    }

    /// Notes that one lease of a request came. `None` when the request was taken back.
    fn take_grant(&mut self, request: u64) -> Option<u32> {
        let class =
            self.classes.iter().position(|class| class.requested.iter().any(|(number, _)| *number == request))?;
        let requested = &mut self.classes[class].requested;
        if let Some(position) = requested.iter().position(|(number, _)| *number == request) {
            requested[position].1 -= 1;
            if requested[position].1 == 0 {
                requested.remove(position);
            }
        }
        Some(class as u32)
    }

    /// What each lease of a request holds; nothing when the request is not known any more.
    pub fn requested_resources(&self, request: u64) -> BTreeMap<String, f64> {
        let asked = |class: &&Class| class.requested.iter().any(|(number, _)| *number == request);
        let mut resources = self.classes.iter().find(asked).map(|class| class.resources.clone()).unwrap_or_default();
        resources.retain(|name, _| !name.starts_with(NEAR_NODE_NUMBER));
        resources
    }

    /// The tasks that wait for this request will never be served: they fail.
    pub fn fail_queued<O: Outbox>(&mut self, request: u64, error: &[u8], outbox: &mut O) {
        let asked = |class: &Class| class.requested.iter().any(|(number, _)| *number == request);
        let Some(class) = self.classes.iter().position(asked) else { return };
        while let Some(slot) = self.first_queued(class as u32) {
            self.classes[class].queue.pop_front();
            self.fail(slot, error, outbox);
        }
        self.request_leases(class as u32);
    }

    /// Takes a lease out of use and gives it back.
    pub(crate) fn return_lease(&mut self, index: u32, worker_exiting: bool) {
        let lease = &mut self.leases[index as usize];
        if !lease.is_held() {
            return;
        }
        lease.state = LeaseState::Returned;
        let (class, lease_id) = (lease.class, lease.lease_id);
        self.classes[class as usize].leases.retain(|held| *held != index);
        self.effects.push(Effect::ReturnLease { lease_id, worker_exiting });
    }

    /// The daemon wants a lease back: others have waited long for what it holds. It goes when what its worker has begun is done.
    pub fn on_lease_revoked<O: Outbox>(&mut self, lease_id: u64, outbox: &mut O) {
        let Some(index) = self.leases.iter().position(|lease| lease.is_held() && lease.lease_id == lease_id) else {
            return;
        };
        let lease = &mut self.leases[index];
        let (class, in_flight, peer) = (lease.class, lease.in_flight, lease.peer);
        if in_flight == 0 {
            self.return_lease(index as u32, false);
        } else if lease.state != LeaseState::Exiting {
            lease.state = LeaseState::Revoked;
            if in_flight > 1 {
                self.effects.push(Effect::Steal { peer, count: in_flight - 1 });
            }
        }
        self.refill(class, outbox);
    }

    /// Gives back the idle leases of everything in the placement group that ends its names with `group`.
    pub fn return_leases_of_group(&mut self, group: &str) {
        for index in 0..self.leases.len() {
            let lease = &self.leases[index];
            let is_inside = |class: &Class| class.resources.keys().any(|name| name.ends_with(group));
            if lease.is_held() && lease.in_flight == 0 && is_inside(&self.classes[lease.class as usize]) {
                self.return_lease(index as u32, false);
            }
        }
    }

    /// Gives back leases that have been idle for a while, or all idle ones when `all` is set. True while leases are held.
    pub fn return_idle_leases(&mut self, now_ns: u64, all: bool) -> bool {
        let mut held = false;
        for index in 0..self.leases.len() {
            let lease = &self.leases[index];
            if !lease.is_held() {
                continue;
            }
            let idle = lease.in_flight == 0 && (all || now_ns.saturating_sub(lease.idle_since_ns) >= IDLE_NS);
            if idle {
                self.return_lease(index as u32, false);
            } else {
                held = true;
            }
        }
        held
    }

    /// Asks for tasks back that are stuck behind one which takes longer than expected, so that others can run them. True while there is
    /// something to watch.
    pub fn steal_stuck_tasks(&mut self, now_ns: u64) -> bool {
        let mut watched = false;
        for lease in &mut self.leases {
            if lease.state != LeaseState::Ready || lease.in_flight < 2 {
                continue;
            }
            watched = true;
            if lease.progress_ns == u64::MAX {
                lease.progress_ns = now_ns;
            } else if now_ns.saturating_sub(lease.progress_ns) >= STUCK_NS {
                lease.state = LeaseState::Blocked;
                self.effects.push(Effect::Steal { peer: lease.peer, count: lease.in_flight - 1 });
            }
        }
        watched
    }

    /// Whether a task of this process waits for a lease: then a worker that blocks lends its CPU at once.
    pub fn has_queued_tasks(&self) -> bool {
        self.classes.iter().any(|class| !class.queue.is_empty())
    }
}
