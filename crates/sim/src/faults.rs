//! What goes wrong in a cluster: machines that are lost, cut off, frozen, or whose clocks jump, and memory that fills.

use crate::far::node_death;
use crate::fault::Fault;
use crate::machines::{DAEMONS, HEAD, Machine, STRIDE, machine_of, new_node};
use crate::message::Message;
use crate::world::{DAEMON, Event, World};
use trygon_ids::SegmentId;
use trygon_node_core::Event as NodeEvent;

/// Mean time between two faults.
const BETWEEN_NS: u64 = 4_000_000;
/// The time after which a node without its lease has stopped, and after which the head gives it up (NODE-2): a tenth of what they are, so
/// that a run is not spent waiting.
const LEASE_NS: u64 = 300_000_000;
const GIVEN_UP_NS: u64 = 450_000_000;

impl World {
    pub(crate) fn plan_fault(&mut self) {
        let delay_ns = self.random.below(2 * BETWEEN_NS);
        self.plan(delay_ns, Event::Fault(Fault::Next));
    }

    pub(crate) fn on_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Next => {
                if self.faults_left == 0 || self.finished {
                    return;
                }
                self.faults_left -= 1;
                self.next_fault();
                self.plan_fault();
            }
            Fault::Noticed(machine) => self.give_up(machine),
            Fault::Lapsed(machine) => self.lose_machine(machine),
            Fault::Returns => self.add_machine(),
            Fault::Leaves(node) => self.on_leaving(node),
        }
    }

    fn next_fault(&mut self) {
        let living: Vec<usize> =
            (0..self.daemon.machines.len()).filter(|machine| self.daemon.machines[*machine].is_alive).collect();
        let machine = living[self.random.below(living.len() as u64) as usize];
        // The driver's machine stays, and with it one that can be lost.
        let may_be_lost = machine != 0 && living.len() > 2;
        match self.random.below(12) {
            0 | 1 if may_be_lost => {
                self.lose_machine(machine);
                let notice_ns = 1_000_000 + self.random.below(200_000_000);
                self.plan(notice_ns, Event::Fault(Fault::Noticed(machine)));
            }
            2 if may_be_lost => {
                // Cut off for longer than its lease: it ends what runs on it, and only then it is given up.
                self.cut(machine, GIVEN_UP_NS);
                self.plan(LEASE_NS, Event::Fault(Fault::Lapsed(machine)));
                self.plan(GIVEN_UP_NS, Event::Fault(Fault::Noticed(machine)));
            }
            3 | 4 => {
                let length_ns = self.random.below(100_000_000);
                self.cut(machine, length_ns);
            }
            5 => self.pause_machine(machine),
            6 => self.pause_process(machine),
            7 => self.daemon.machines[machine].ahead_ns += self.random.below(20_000_000_000),
            8 | 9 => self.press(machine),
            _ => {
                let workers = living.iter().flat_map(|machine| self.processes.living_on(*machine));
                for number in workers.filter(|number| *number != 0).collect::<Vec<_>>() {
                    if self.processes[number].is_alive {
                        self.change_memory(number);
                    }
                }
            }
        }
    }

    fn cut(&mut self, machine: usize, length_ns: u64) {
        self.counts.cuts += 1;
        let until_ns = self.now_ns + length_ns;
        let place = &mut self.daemon.machines[machine];
        place.cut_until_ns = place.cut_until_ns.max(until_ns);
    }

    fn pause_machine(&mut self, machine: usize) {
        self.counts.pauses += 1;
        self.daemon.machines[machine].paused_until_ns = self.now_ns + self.random.below(30_000_000);
    }

    fn pause_process(&mut self, machine: usize) {
        let living = self.processes.living_on(machine);
        if !living.is_empty() {
            self.counts.pauses += 1;
            let number = living[self.random.below(living.len() as u64) as usize];
            self.processes[number].paused_until_ns = self.now_ns + self.random.below(30_000_000);
        }
    }

    /// Until when whatever an event is for stands still.
    pub(crate) fn paused_until_ns(&self, event: &Event) -> Option<u64> {
        if self.workload.machines == 0 {
            return None;
        }
        let of_process = |number: usize| {
            let process_ns = self.processes.get(number).map_or(0, |process| process.paused_until_ns);
            process_ns.max(self.daemon.machines[machine_of(number)].paused_until_ns)
        };
        let until_ns = match event {
            Event::Deliver { from, to: DAEMON } => self.daemon.machines[machine_of(*from)].paused_until_ns,
            Event::Deliver { to: HEAD, .. } => 0,
            Event::Deliver { to, .. } if *to >= DAEMONS => self.daemon.machines[*to - DAEMONS].paused_until_ns,
            Event::Deliver { to: process, .. }
            | Event::Step { process }
            | Event::Tick { process }
            | Event::LendCpu { process, .. }
            | Event::Started { process } => of_process(*process),
            Event::Reaped { process } => self.daemon.machines[machine_of(*process)].paused_until_ns,
            Event::DaemonTick { machine } | Event::Prepared { machine, .. } => {
                self.daemon.machines[*machine].paused_until_ns
            }
            Event::HeadTick | Event::Fault(_) => 0,
        };
        (until_ns > self.now_ns).then_some(until_ns)
    }

    /// When messages between two ends arrive at the earliest, because one of them is cut off.
    pub(crate) fn whole_ns(&self, from: usize, to: usize) -> u64 {
        if self.workload.machines == 0 || from == DAEMON || to == DAEMON {
            return 0;
        }
        let machine = |end: usize| match end {
            HEAD => None,
            end if end >= DAEMONS => Some(end - DAEMONS),
            end => Some(machine_of(end)),
        };
        let (left, right) = (machine(from), machine(to));
        if left == right {
            return 0;
        }
        let until_ns = |machine: Option<usize>| machine.map_or(0, |machine| self.daemon.machines[machine].cut_until_ns);
        until_ns(left).max(until_ns(right))
    }

    /// A machine ends, with its daemon, its processes and its memory; some of what it had written is lost on the way.
    pub(crate) fn lose_machine(&mut self, machine: usize) {
        if !std::mem::replace(&mut self.daemon.machines[machine].is_alive, false) {
            return;
        }
        self.counts.losses += 1;
        for number in self.processes.living_on(machine) {
            self.counts.deaths += 1;
            self.processes[number].is_alive = false;
        }
        for number in self.processes.numbers() {
            if machine_of(number) == machine {
                self.daemon.graveyard.insert(number, node_death(number));
                self.daemon.limits.remove(&number);
                self.daemon.victims.remove(&number);
            }
        }
        let is_its = |end: usize| end / STRIDE == machine || end == DAEMONS + machine;
        let links: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (from, to) in links.into_iter().filter(|(from, to)| is_its(*from) && !is_its(*to)) {
            let waiting = self.links.get(&(from, to)).map_or(0, |link| link.queue.len());
            let left = self.random.below(waiting as u64 + 1) as usize;
            if let Some(link) = self.links.get_mut(&(from, to)) {
                link.queue.truncate(left);
                link.queue.retain(|message| !matches!(message, Message::Daemon(_)));
            }
        }
        let node = machine as u64 + 1;
        self.lost_nodes.insert(node);
        self.store.retain(|place, _| SegmentId(*place).node_number() != node);
        if self.random.percent(50) {
            let delay_ns = 30_000_000 + self.random.below(50_000_000);
            self.plan(delay_ns, Event::Fault(Fault::Returns));
        }
    }

    /// A daemon begins, as a node that never was before.
    pub(crate) fn add_machine(&mut self) {
        let machine = self.daemon.machines.len();
        let cpus = 1 + self.random.below(4);
        let node = new_node(machine, cpus as i64, &self.workload);
        self.daemon.machines.push(Machine::new(node));
        let defects = self.defects.node;
        self.daemon.machines[machine].node.set_defects(defects);
        self.node_step(machine, NodeEvent::Start);
        self.register(machine);
    }
}
