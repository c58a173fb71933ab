//! What programs ask of the head.

use crate::control::ids::{actor, group};
use crate::control::machine::{Asker, cpus};
use crate::control::script;
use crate::control::streams::home;
use crate::control::world::World;
use trygon_proto::control::{
    ActorStarted, Bundle, CreateActor, CreatePlacementGroup, KeyValueRequest, KillActor, RemovePlacementGroup,
    WatchActor, WatchPlacementGroup,
};
use trygon_proto::v1::FromProcess;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;

const STRATEGIES: [&str; 4] = ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"];

impl World {
    fn ask(&mut self, asker: Asker, request: Request) {
        let (worker_id, job_id) = (asker.process.as_bytes().to_vec(), asker.job.to_vec());
        self.watch.note_asked(asker.process, &request);
        if let Some(machine) = self.machines.get_mut(&home(asker.process)) {
            machine.say(Body::FromProcess(FromProcess { worker_id, job_id, request: Some(request) }));
        }
    }

    pub(super) fn tell_started(&mut self, asker: Asker, incarnation: u32, fails: bool) {
        let actor_id = asker.actor.map(|actor| actor.as_bytes().to_vec()).unwrap_or_default();
        let error = if fails { vec![1] } else { Vec::new() };
        self.ask(asker, Request::ActorStarted(ActorStarted { actor_id, incarnation, error }));
    }

    pub(super) fn ask_anything(&mut self) {
        let Some(asker) = self.any_asker() else {
            let number = self.any();
            return self.start_driver(number);
        };
        match self.random.below(21) {
            0..=4 => self.create_actor(asker),
            5..=8 => self.create_group(asker),
            9..=10 => self.kill_actor(asker),
            11..=13 => {
                let group_id = self.some_group().as_bytes().to_vec();
                self.ask(asker, Request::RemoveGroup(RemovePlacementGroup { group_id }));
            }
            14..=15 => {
                // Nobody asks twice.
                let actor = self.some_actor();
                if self.watch.asked_of_actors.insert((asker.process, actor)) {
                    self.ask(asker, Request::WatchActor(WatchActor { actor_id: actor.as_bytes().to_vec() }));
                }
            }
            16..=17 => {
                let group = self.some_group();
                if self.watch.asked_of_groups.insert((asker.process, group)) {
                    let group_id = group.as_bytes().to_vec();
                    self.ask(asker, Request::WatchGroup(WatchPlacementGroup { group_id }));
                }
            }
            18 => self.put(asker),
            19 => self.start_worker(asker),
            _ => {
                let number = self.any();
                self.start_driver(number);
            }
        }
    }

    fn create_actor(&mut self, asker: Asker) {
        self.next.actor += 1;
        let (name, namespace) = self.some_name();
        let request_id = if name.is_empty() { 0 } else { self.request() };
        let create = CreateActor {
            request_id,
            actor_id: actor(self.next.actor).as_bytes().to_vec(),
            class_name: "Counter".to_owned(),
            name,
            namespace,
            placement_resources: cpus(1),
            lifetime_resources: cpus(1),
            max_restarts: if script::is_brittle(self.next.actor) { -1 } else { self.random.below(4) as i64 - 1 },
            get_if_exists: self.random.percent(50),
            detached: self.random.percent(30),
            ..CreateActor::default()
        };
        self.ask(asker, Request::CreateActor(create));
    }

    fn create_group(&mut self, asker: Asker) {
        self.next.group += 1;
        let (name, namespace) = self.some_name();
        let bundles = vec![Bundle { resources: cpus(1) }; 1 + self.random.below(4) as usize];
        let create = CreatePlacementGroup {
            request_id: if self.random.percent(50) { self.request() } else { 0 },
            group_id: group(self.next.group).as_bytes().to_vec(),
            name,
            namespace,
            strategy: STRATEGIES[self.random.below(4) as usize].to_owned(),
            bundles,
            detached: self.random.percent(15),
            creator_actor: asker.actor.map(|actor| actor.as_bytes().to_vec()).unwrap_or_default(),
            ..CreatePlacementGroup::default()
        };
        self.ask(asker, Request::CreateGroup(create));
    }

    fn kill_actor(&mut self, asker: Asker) {
        let actor_id = self.some_actor().as_bytes().to_vec();
        let (no_restart, out_of_scope) = (self.random.percent(50), self.random.percent(25));
        self.ask(asker, Request::KillActor(KillActor { actor_id, no_restart, out_of_scope }));
    }

    /// Nobody else puts anything under this key.
    fn put(&mut self, asker: Asker) {
        let request_id = self.request();
        let call = KeyValueRequest {
            request_id,
            operation: "put".to_owned(),
            namespace: "once".to_owned(),
            key: request_id.to_be_bytes().to_vec(),
            value: vec![1],
            overwrite: false,
        };
        self.ask(asker, Request::KeyValue(call));
    }

    /// A worker of the job begins on some node.
    fn start_worker(&mut self, asker: Asker) {
        let number = self.any();
        if let Some(machine) = self.machines.get_mut(&number) {
            let process = machine.next_process();
            machine.askers.insert(process, Asker { process, job: asker.job, actor: None });
        }
    }

    fn request(&mut self) -> u64 {
        self.next.request += 1;
        self.next.request
    }
}
