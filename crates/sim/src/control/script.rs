//! What happens at random.

use crate::control::ids::{NAMESPACE, actor, group, node, number_of, process};
use crate::control::machine::{Asker, Machine};
use crate::control::world::World;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{DrainNode, NodeLeaves};

/// Nodes at a time.
const MOST_MACHINES: usize = 8;
/// Nodes of which the head reads little at a time: one in so many.
const SLOW: u64 = 3;
/// Actors whose constructors end their processes often: one in so many.
const BRITTLE: u64 = 4;

/// Whether an actor's constructor ends its process often.
pub(super) fn is_brittle(actor: u64) -> bool {
    actor.is_multiple_of(BRITTLE)
}

impl World {
    pub(super) fn step(&mut self) -> Result<(), String> {
        if self.machines.is_empty() {
            self.add(0);
        }
        let number = self.any();
        match self.random.below(100) {
            0..=21 if number.is_multiple_of(SLOW) && self.random.percent(75) => {}
            0..=21 => {
                for _ in 0..=self.random.below(4) {
                    self.deliver_to_head(number)?;
                }
            }
            22..=43 => {
                for _ in 0..=self.random.below(8) {
                    self.deliver_to_node(number)?;
                }
            }
            44..=50 => self.machines.values_mut().for_each(Machine::act),
            51..=56 => {
                self.machines.keys().copied().collect::<Vec<u64>>().into_iter().for_each(|it| self.run_constructors(it))
            }
            57..=62 => {
                let delay_us = self.random.below(60_000);
                self.pass(delay_us)?;
            }
            63..=83 if self.is_calm && self.random.percent(70) => self.pass(2_000)?,
            63..=83 => self.ask_anything(),
            84..=86 => self.end_any(number),
            _ if self.is_alone => {}
            87..=89 => self.disconnect(number),
            90..=93 => _ = self.connect(number),
            94 => self.lose(number),
            95 if self.machines.len() < MOST_MACHINES => {
                let place = 100 + self.next.machine;
                self.add(place);
            }
            96 => return self.trouble(number),
            97..=99 => {
                let place = self.random.below(self.old.len() as u64) as usize;
                self.deliver_old(place)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn trouble(&mut self, number: u64) -> Result<(), String> {
        match self.random.below(6) {
            0 => return self.restart_head(),
            1 if self.machines.len() > 2 => {
                let drain = DrainNode { node_id: node(number).as_bytes().to_vec(), ..DrainNode::default() };
                self.machines.values_mut().take(1).for_each(|machine| machine.say(Body::Drain(drain.clone())));
            }
            2 if self.machines.len() > 2 => {
                let machine = self.machines.get_mut(&number).filter(|machine| machine.stream.is_some());
                if let Some(machine) = machine {
                    machine.say(Body::Leaves(NodeLeaves { message: "it was stopped".to_owned() }));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A node ends, or seems to.
    fn lose(&mut self, number: u64) {
        if self.machines.len() < 2 || self.random.percent(50) {
            return;
        }
        let Some(mut machine) = self.machines.remove(&number) else {
            return;
        };
        let (stream, place) = (machine.stream.unwrap_or(0), machine.place);
        self.leave_stream(&mut machine, true);
        let now_ms = self.now_ms();
        self.presence.ended(node(number), stream, now_ms);
        match self.random.below(3) {
            0 => {}
            1 => self.add(place),
            // It keeps what it had, against the rules: it hears that it was given up, and comes back as another one.
            _ => {
                machine.is_suspect = true;
                self.machines.insert(number, machine);
            }
        }
    }

    /// Constructors end: well, with an error, or with their process.
    pub(super) fn run_constructors(&mut self, number: u64) {
        let Some(machine) = self.machines.get(&number) else {
            return;
        };
        let ready: Vec<_> = machine.works.iter().filter(|(_, work)| work.is_begun && !work.is_over).collect();
        for (actor, work) in ready.into_iter().map(|(actor, work)| (*actor, *work)).collect::<Vec<_>>() {
            let often = is_brittle(number_of(actor.as_bytes()));
            let dies = !self.is_peace && self.random.percent(if often { 85 } else { 6 });
            let fails = !self.is_peace && self.random.percent(3);
            let Some(machine) = self.machines.get_mut(&number) else {
                return;
            };
            if dies {
                machine.end(work.worker, "signal", "it died in its constructor");
                continue;
            }
            if let Some(work) = machine.works.get_mut(&actor) {
                work.is_over = true;
            }
            let job = machine.askers.get(&work.worker).map_or([0; 4], |asker| asker.job);
            let asker = Asker { process: work.worker, job, actor: Some(actor) };
            self.tell_started(asker, work.life, fails);
        }
    }

    /// A process ends: mostly a worker, sometimes a driver.
    fn end_any(&mut self, number: u64) {
        let Some(machine) = self.machines.get(&number) else {
            return;
        };
        let askers: Vec<Asker> = machine.askers.values().copied().collect();
        if askers.is_empty() {
            return;
        }
        let asker = askers[self.random.below(askers.len() as u64) as usize];
        let is_driver = self.machines[&number].jobs.values().any(|job| job.driver_id == asker.process.as_bytes());
        if is_driver && !self.random.percent(25) {
            return;
        }
        let is_away = self.machines.get(&number).is_some_and(|machine| machine.stream.is_none());
        if is_away && !is_driver && self.random.percent(50) {
            // Nobody says so: it is not there when the node comes back.
            return self.machines.get_mut(&number).map_or((), |machine| machine.forget(asker.process));
        }
        let kind = if self.random.percent(10) { "user_exit" } else { "exit" };
        if let Some(machine) = self.machines.get_mut(&number) {
            machine.end(asker.process, kind, "it ended");
        }
    }

    /// One of the actors that were made so far, or the next.
    pub(super) fn some_actor(&mut self) -> trygon_ids::ActorId {
        let newest = self.next.actor;
        actor(1 + newest.saturating_sub(self.random.below(12.min(newest + 1))))
    }

    pub(super) fn some_group(&mut self) -> trygon_ids::PlacementGroupId {
        let newest = self.next.group;
        group(1 + newest.saturating_sub(self.random.below(8.min(newest + 1))))
    }

    /// A name that others want too, or none.
    pub(super) fn some_name(&mut self) -> (String, String) {
        let name = match self.random.below(10) {
            number @ 0..=3 => format!("name-{}", number % 3),
            _ => String::new(),
        };
        (name, NAMESPACE.to_owned())
    }

    /// A program that is there and knows its job.
    pub(super) fn any_asker(&mut self) -> Option<Asker> {
        let askers: Vec<Asker> = self.machines.values().flat_map(|machine| machine.askers.values().copied()).collect();
        let is_ready = |asker: &&Asker| {
            let machine = self.machines.get(&crate::control::streams::home(asker.process));
            let work = asker.actor.and_then(|actor| machine.and_then(|machine| machine.works.get(&actor)));
            asker.actor.is_none() || work.is_some_and(|work| work.worker == asker.process && work.is_over)
        };
        let ready: Vec<Asker> = askers.iter().filter(is_ready).copied().collect();
        let count = ready.len() as u64;
        ready.get(self.random.below(count) as usize).copied()
    }

    /// A driver comes to a node and asks for a job.
    pub(super) fn start_driver(&mut self, number: u64) {
        self.next.request += 1;
        let request_id = self.next.request;
        if let Some(machine) = self.machines.get_mut(&number) {
            let driver = process(number, 1_000_000 + request_id);
            machine.drivers.insert(request_id, driver);
            machine.say(Body::StartJob(trygon_proto::v1::StartJob {
                request_id,
                driver_id: driver.as_bytes().to_vec(),
                ..trygon_proto::v1::StartJob::default()
            }));
        }
    }
}
