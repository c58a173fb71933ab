//! The simulated machine: processes, the daemon, the links between them, time, and the one source of chance.
//!
//! A link keeps the order of its messages; links interleave as chance wants. Nothing happens at the same time as something else, and the
//! order follows from the seed alone.

use crate::daemon_state::Daemon;
use crate::defects::Defects;
use crate::fault::Fault;
use crate::machines::{DAEMONS, Processes};
use crate::message::{Done, Message};
use crate::plain::Plain;
use crate::random::{Random, mix};
use crate::workload::Workload;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use trygon_ids::{ActorId, ObjectId, PlacementGroupId};
use trygon_node_core::Event as NodeEvent;
use trygon_worker_core::FunctionIndex;

/// The daemon's end of a link.
pub(crate) const DAEMON: usize = usize::MAX;

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Deliver {
        from: usize,
        to: usize,
    },
    Step {
        process: usize,
    },
    Tick {
        process: usize,
    },
    /// A worker that waits lends its CPU if it still waits for the same thing.
    LendCpu {
        process: usize,
        since_ns: u64,
    },
    Started {
        process: usize,
    },
    Reaped {
        process: usize,
    },
    DaemonTick {
        machine: usize,
    },
    /// Workers can be started in an environment.
    Prepared {
        machine: usize,
        environment: u32,
    },
    HeadTick,
    /// Something of a cluster goes wrong, or right again.
    Fault(Fault),
}

/// Messages on their way.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) queue: VecDeque<Message>,
    pub(crate) last_ns: u64,
}

/// A value in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) number: u64,
    /// Its owner; 0 until that is known.
    pub(crate) owner: usize,
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Events handled.
    pub events: u64,
    /// Objects looked at and compared.
    pub compared: u64,
    /// Objects that ended in an error of the engine, as they may after a death.
    pub typed_errors: u64,
    /// Processes that ended.
    pub deaths: u64,
    /// Machines whose memory was lost.
    pub losses: u64,
    /// Tasks that ran again because a result was lost.
    pub rebuilt: u64,
    /// Lost objects of which a copy was found.
    pub rescued: u64,
    /// Workers that ended for memory.
    pub memory_deaths: u64,
    /// Machines that were cut off.
    pub cuts: u64,
    /// Machines and processes that stood still.
    pub pauses: u64,
    /// Workers that ended because their actor, or nothing, was to do.
    pub exits: u64,
    /// Placement groups that were created.
    pub groups: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.compared += other.compared;
        self.typed_errors += other.typed_errors;
        self.deaths += other.deaths;
        self.losses += other.losses;
        self.rebuilt += other.rebuilt;
        self.rescued += other.rescued;
        self.memory_deaths += other.memory_deaths;
        self.cuts += other.cuts;
        self.pauses += other.pauses;
        self.groups += other.groups;
        self.exits += other.exits;
    }
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) workload: Workload,
    pub(crate) defects: Defects,
    pub(crate) random: Random,
    pub(crate) now_ns: u64,
    pub(crate) events: BTreeMap<(u64, u64), Event>,
    pub(crate) next_event: u64,
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    pub(crate) processes: Processes,
    pub(crate) daemon: Daemon,
    /// What every object has to be.
    pub(crate) expected: BTreeMap<ObjectId, Rc<Plain>>,
    /// The actor whose handles an object counts.
    pub(crate) handles: BTreeMap<ObjectId, ActorId>,
    pub(crate) store: BTreeMap<u64, Stored>,
    /// Machines whose memory is lost.
    pub(crate) lost_nodes: BTreeSet<u64>,
    /// Machines that go, and when their memory is lost.
    pub(crate) leaving: BTreeMap<u64, u64>,
    /// Environments that are prepared, or being prepared.
    pub(crate) prepared: BTreeSet<(usize, u32)>,
    pub(crate) next_place: u64,
    pub(crate) next_actor: u64,
    /// Replies of the dead that arrive after their death is known.
    /// Tasks and attempts that a worker began.
    pub(crate) begun: BTreeSet<(String, u32)>,
    /// Attempts of a task that raised, although a later one would not.
    pub(crate) raised: BTreeMap<String, u32>,
    /// Attempts that a task may begin.
    pub(crate) limits: BTreeMap<String, usize>,
    /// The first attempt of a cancelled task that must not begin any more.
    pub(crate) cancelled: BTreeMap<String, u32>,
    pub(crate) late: Vec<(usize, usize, Done)>,
    pub(crate) failure: Option<String>,
    pub(crate) finished: bool,
    /// How often something may still go wrong in a cluster.
    pub(crate) faults_left: u64,
    /// Placement groups that there are, with the function that runs in each, and all that were removed.
    pub(crate) groups: Vec<(PlacementGroupId, FunctionIndex)>,
    pub(crate) removed_groups: u64,
    pub(crate) counts: Counts,
    pub(crate) trace: u64,
    pub(crate) prints: bool,
}

/// Events after which a run is given up: something goes round in circles.
const MAX_EVENTS: u64 = 200_000;

impl World {
    pub(crate) fn fail(&mut self, message: impl Into<String>) {
        self.failure.get_or_insert(message.into());
    }

    pub(crate) fn plan(&mut self, delay_ns: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now_ns + delay_ns, self.next_event), event);
    }

    /// Puts a message on its way. Most arrive within microseconds, some within milliseconds.
    pub(crate) fn send(&mut self, from: usize, to: usize, message: Message) {
        let delay_ns =
            if self.random.percent(4) { self.random.below(3_000_000) } else { 1_000 + self.random.below(60_000) };
        let whole_ns = self.whole_ns(from, to);
        let link = self.links.entry((from, to)).or_default();
        link.queue.push_back(message);
        let arrives_ns = (self.now_ns + delay_ns).max(link.last_ns + 1).max(whole_ns);
        link.last_ns = arrives_ns;
        self.plan(arrives_ns - self.now_ns, Event::Deliver { from, to });
    }

    /// Runs until nothing is to happen any more, or something is broken.
    pub(crate) fn run(&mut self) {
        while self.failure.is_none() {
            let Some(((time_ns, _), event)) = self.events.pop_first() else { return };
            self.now_ns = time_ns;
            self.counts.events += 1;
            let most = if self.workload.machines > 0 { 10 * MAX_EVENTS } else { MAX_EVENTS };
            if self.counts.events > most {
                let waiting = self.waiting();
                return self.fail(format!("FAIL-1: the run does not end: {waiting}"));
            }
            self.note(&event);
            self.handle(event);
        }
    }

    fn note(&mut self, event: &Event) {
        let word = match event {
            Event::Deliver { from, to } => mix(1, mix(*from as u64, *to as u64)),
            Event::Step { process } => mix(2, *process as u64),
            Event::Tick { process } => mix(3, *process as u64),
            Event::LendCpu { process, .. } => mix(4, *process as u64),
            Event::Started { process } => mix(5, *process as u64),
            Event::Reaped { process } => mix(6, *process as u64),
            Event::DaemonTick { machine } => 7 + mix(0, *machine as u64) * u64::from(*machine > 0),
            Event::HeadTick => 8,
            Event::Prepared { machine, environment } => mix(10, mix(*machine as u64, u64::from(*environment))),
            Event::Fault(fault) => mix(9, fault.word()),
        };
        self.trace = mix(self.trace, mix(self.now_ns, word));
        if self.prints {
            let head = match event {
                Event::Deliver { from, to } => self.links.get(&(*from, *to)).and_then(|link| link.queue.front()),
                _ => None,
            };
            println!("{:>12} {event:?} {}", self.now_ns, head.map_or(String::new(), |message| format!("{message:?}")));
        }
    }

    fn handle(&mut self, event: Event) {
        if let Some(until_ns) = self.paused_until_ns(&event) {
            return self.plan(until_ns - self.now_ns, event);
        }
        match event {
            Event::Deliver { from, to } => self.deliver(from, to),
            Event::Step { process } => {
                self.processes[process].step_planned = false;
                if self.processes[process].is_alive {
                    self.step_process(process);
                    self.after(process);
                }
            }
            Event::Tick { process } => self.tick(process),
            Event::LendCpu { process, since_ns } => {
                let waits = self.processes[process].running.as_ref();
                if waits.is_some_and(|running| running.waiting.is_some() && running.began_ns == since_ns) {
                    self.enter_blocked(process);
                    self.after(process);
                }
            }
            Event::Started { process } => {
                if self.processes[process].is_alive {
                    self.send_daemon(process, crate::message::ToDaemon::Ready);
                }
            }
            Event::Reaped { process } => self.on_reaped(process),
            Event::DaemonTick { machine } => self.daemon_tick(machine),
            Event::Prepared { machine, environment } => {
                self.node_step(machine, NodeEvent::EnvironmentReady { environment });
            }
            Event::HeadTick => self.head_tick(),
            Event::Fault(fault) => self.on_fault(fault),
        }
    }

    fn deliver(&mut self, from: usize, to: usize) {
        // A socket that its end does not know yet is not read.
        if to < DAEMONS && from < DAEMONS && self.processes[to].is_alive {
            let process = &self.processes[to];
            if !process.peer_of.contains_key(&from) && !process.dead.contains_key(&from) {
                return self.plan(10_000, Event::Deliver { from, to });
            }
        }
        let Some(message) = self.links.get_mut(&(from, to)).and_then(|link| link.queue.pop_front()) else { return };
        self.deliver_one(from, to, message);
    }

    pub(crate) fn deliver_one(&mut self, from: usize, to: usize, message: Message) {
        match message {
            Message::Daemon(message) => self.on_daemon_message(from, message),
            Message::Process(message) if self.processes[to].is_alive => {
                self.on_control_message(to, message);
                self.after(to);
            }
            Message::Peer(message) if self.processes[to].is_alive => {
                if let Some(peer) = self.processes[to].peer_of.get(&from).copied() {
                    self.on_peer_message(to, peer, from, message);
                    self.after(to);
                }
            }
            Message::Process(_) | Message::Peer(_) => {}
            Message::Far(message) => self.on_far_message(from, to, message),
        }
    }

    /// The background thread's look: what waits is written, idle leases go back.
    fn tick(&mut self, number: usize) {
        self.processes[number].tick_planned = false;
        if !self.processes[number].is_alive {
            return;
        }
        let now_ns = self.clock_ns(number);
        let process = &mut self.processes[number];
        process.core.return_idle_leases(now_ns, false);
        let has_retries = process.core.resubmit_due(now_ns, &mut process.links);
        let has_stuck = process.core.steal_stuck_tasks(now_ns);
        self.settle_and_flush(number);
        self.check(number);
        let process = &self.processes[number];
        if process.is_alive && (has_stuck || has_retries || process.core.statistics().leases > 0) {
            self.plan_tick(number);
        }
    }

    pub(crate) fn plan_tick(&mut self, number: usize) {
        if !std::mem::replace(&mut self.processes[number].tick_planned, true) {
            self.plan(1_000_000, Event::Tick { process: number });
        }
    }

    /// After every event of a process: effects are performed, the core is checked, whoever waits looks again.
    pub(crate) fn after(&mut self, number: usize) {
        self.check(number);
        self.plan_tick(number);
    }

    fn check(&mut self, number: usize) {
        if !self.processes[number].is_alive {
            return;
        }
        self.settle(number);
        if let Err(broken) = self.processes[number].core.sanity_check() {
            self.fail(format!("process {number}: {broken}"));
        }
        self.look_again(number);
    }
}
