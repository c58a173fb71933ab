//! What happens: one thing at a time, as chance wants.

use crate::brains::node::world::{World, set};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_node_core::{ActorRequest, Event, GroupRequest, LeaseRequest, WorkerMemory};
use trygon_placement::group_name;
use trygon_resources::ResourceSet;

impl World {
    fn any_worker(&mut self) -> WorkerId {
        let place = self.random.below(self.workers.len() as u64) as usize;
        self.workers.keys().nth(place).copied().unwrap_or(self.driver())
    }

    /// Amounts of a task or an actor; some inside a group.
    fn shape(&mut self) -> ResourceSet {
        let shapes: [&[(&str, f64)]; 6] = [
            &[("CPU", 1.0)],
            &[("CPU", 2.5), ("memory", 300.0)],
            &[("GPU", 0.5)],
            &[("GPU", 0.7)],
            &[],
            &[("CPU", 1.0), ("GPU", 1.0)],
        ];
        let shape = shapes[self.random.below(6) as usize];
        if self.groups.is_empty() || !self.random.percent(33) {
            return set(shape);
        }
        let place = self.random.below(self.groups.len() as u64) as usize;
        let Some(group) = self.groups.keys().nth(place).copied() else { return set(shape) };
        let bundle = [None, Some(0), Some(1)][self.random.below(3) as usize];
        let mut named: ResourceSet = set(&[(group_name("bundle", &group, bundle).as_str(), 0.001)]);
        for (name, amount) in shape {
            named.add(&set(&[(group_name(name, &group, bundle).as_str(), *amount)]));
        }
        named
    }

    fn ask(&mut self, owner: WorkerId, depth: u32) -> Result<(), String> {
        self.next_number += 1;
        let (request_id, count) = (self.next_number, self.random.below(4) as u32);
        let (resources, job, environment) = (self.shape(), self.job(), self.random.below(3) as u32);
        let name = format!("task{request_id}");
        self.request(LeaseRequest { owner, job, request_id, resources, count, depth, name, environment })
    }

    /// Several owners want the same at once, some of them blocked workers.
    fn crowd(&mut self) -> Result<(), String> {
        let (job, environment) = (self.job(), self.random.below(2) as u32);
        for _ in 0..4 {
            self.next_number += 1;
            let owner = if self.random.percent(20) { self.driver() } else { self.any_worker() };
            if self.random.percent(40) {
                self.step(Event::Blocked { worker: owner, depth: 0 })?;
            }
            let (request_id, count, depth) =
                (self.next_number, 1 + self.random.below(3) as u32, self.random.below(4) as u32);
            let (resources, name) = (set(&[("CPU", 1.0)]), format!("task{request_id}"));
            self.request(LeaseRequest { owner, job, request_id, resources, count, depth, name, environment })?;
        }
        Ok(())
    }

    fn want_group(&mut self) -> Result<(), String> {
        self.next_number += 1;
        let mut bytes = [1; PlacementGroupId::LEN];
        bytes[10..].copy_from_slice(&self.next_number.to_be_bytes());
        let group = PlacementGroupId::new(bytes);
        let bundles = [set(&[("CPU", 1.0)]), set(&[("CPU", 1.5), ("GPU", 0.5)]), set(&[("GPU", 1.0)])];
        let bundles = bundles[..1 + self.random.below(3) as usize].to_vec();
        let (owner, name) = (self.driver(), "The group".to_owned());
        self.groups.insert(group, bundles.len());
        self.order.groups.insert(group, owner);
        let apart = self.random.percent(12);
        self.step(Event::GroupWanted(GroupRequest { group, owner, bundles, apart, labels: None, name }))
    }

    fn want_actor(&mut self, owner: WorkerId) -> Result<(), String> {
        self.next_number += 1;
        let mut bytes = [1; ActorId::LEN];
        bytes[8..].copy_from_slice(&self.next_number.to_be_bytes());
        let actor = ActorId::new(bytes);
        let placement = self.shape();
        let lifetime = if self.random.percent(50) { placement.clone() } else { ResourceSet::new() };
        let (environment, name) = (self.random.below(3) as u32, "Actor".to_owned());
        self.actors.push(actor);
        self.order.actors.insert(actor, owner);
        let request = ActorRequest { actor, incarnation: 0, owner, placement, lifetime, depth: 0, name, environment };
        self.step(Event::ActorWanted(request))
    }

    fn fill_memory(&mut self) -> Result<(), String> {
        let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
        let used = |worker: WorkerId| WorkerMemory {
            worker,
            used_bytes: self.random.below(1000),
            is_retriable: self.random.percent(50),
        };
        let workers = workers.into_iter().map(used).collect();
        let excess_bytes = self.random.below(500);
        self.step(Event::MemoryPressure { excess_bytes, workers })
    }

    fn give_back(&mut self) -> Result<(), String> {
        let place = self.random.below(self.leases.len() as u64) as usize;
        let Some((lease, (owner, _))) = self.leases.iter().nth(place).map(|(lease, held)| (*lease, *held)) else {
            return Ok(());
        };
        self.leases.remove(&lease);
        let worker_exiting = self.random.percent(25);
        self.step(Event::LeaseReturned { owner, lease, worker_exiting })
    }

    fn change_environment(&mut self) -> Result<(), String> {
        let environment = 1 + self.random.below(2) as u32;
        if self.random.percent(75) {
            return self.step(Event::EnvironmentReady { environment });
        }
        self.step(Event::EnvironmentFailed { environment, message: "it cannot be made".to_owned() })
    }

    fn drop_something(&mut self, of: u64) -> Result<(), String> {
        match of {
            0 if !self.requests.is_empty() => {
                let place = self.random.below(self.requests.len() as u64) as usize;
                let (owner, request_id) = self.requests.swap_remove(place);
                self.step(Event::LeaseCancelled { owner, request_id })
            }
            1 if !self.actors.is_empty() => {
                let place = self.random.below(self.actors.len() as u64) as usize;
                let actor = self.actors.swap_remove(place);
                self.step(Event::ActorUnwanted { actor })
            }
            _ => {
                let place = self.random.below(self.groups.len() as u64) as usize;
                let Some(group) = self.groups.keys().nth(place).copied() else { return Ok(()) };
                self.groups.remove(&group);
                self.step(Event::GroupRemoved { group })
            }
        }
    }

    /// Something happens.
    pub(super) fn one_event(&mut self) -> Result<(), String> {
        if self.events == 0 {
            self.step(Event::Start)?;
            for number in 0..self.jobs {
                let job = trygon_ids::JobId::new([number as u8, 0, 0, 0]);
                self.step(Event::JobWeighted { job, weight: 1.0 + number as f64 })?;
            }
        }
        self.now_ms += self.random.below(300);
        let worker = self.any_worker();
        let depth = self.random.below(3) as u32;
        match self.random.below(26) {
            0 | 1 => self.ask(worker, depth),
            2 => self.ask(self.driver(), 0),
            3 => self.drop_something(0),
            4..7 => self.give_back(),
            7 => self.step(Event::Blocked { worker, depth: 0 }),
            8 => self.step(Event::Unblocked { worker }),
            9 if worker != self.driver() && self.random.percent(50) => self.die(worker),
            10 => self.want_actor(worker),
            11 => self.drop_something(1),
            12 => self.step(Event::ActorRunning { worker }),
            13 if self.random.percent(30) => self.step(Event::WorkerExiting { worker }),
            13 | 14 => self.step(Event::Tick),
            15 | 16 => self.change_environment(),
            17 if worker != self.driver() => {
                let owns = self.random.percent(50);
                self.step(Event::WorkerOwns { worker, owns })
            }
            18 => self.want_group(),
            19 => self.drop_something(2),
            20 => self.fill_memory(),
            21 => self.crowd(),
            22 if self.jobs > 1 => {
                let weight = if self.random.percent(50) { 2.0 } else { 0.0 };
                self.step(Event::JobWeighted { job: trygon_ids::JobId::new([1, 0, 0, 0]), weight })
            }
            _ => self.step(Event::WorkerReady { worker }),
        }
    }
}
