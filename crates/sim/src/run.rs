//! One run: a seed and a workload in, what happened out.

use crate::daemon_state::{Cluster, Daemon};
use crate::defects::Defects;
use crate::machines::{Machine, Processes, new_node};
use crate::message::ToDaemon;
use crate::process::{Process, Running};
use crate::random::{Random, mix};
use crate::script::{Place, Script};
use crate::workload::Workload;
use crate::world::{Counts, World};
use std::collections::{BTreeMap, BTreeSet};
use trygon_control::Head;
use trygon_control_core::Actors;
use trygon_node_core::Event as NodeEvent;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was broken, if anything was.
    pub failure: Option<String>,
    /// Stands for everything that happened, in its order.
    pub trace: u64,
    /// Counts.
    pub counts: Counts,
}

/// Runs one seed. The same seed gives the same outcome.
pub fn run(seed: u64, workload: &Workload, defects: Defects, prints: bool) -> Outcome {
    let mut world = world(seed, workload, defects, prints);
    for machine in 0..world.daemon.machines.len() {
        for number in 0..workload.jobs {
            let weight = 1.0 + 2.0 * number as f64;
            let job = world.job_of(number);
            world.node_step(machine, NodeEvent::JobWeighted { job, weight });
        }
        world.node_step(machine, NodeEvent::Start);
        if workload.machines > 0 {
            world.register(machine);
        }
    }
    if workload.machines > 0 || workload.is_pressed {
        world.plan_fault();
    }
    world.plan_step(0);
    world.run();
    if world.failure.is_none() && world.finished {
        // Handles that actors keep of one another would live as long as the program: it ends here.
        for (group, _) in std::mem::take(&mut world.groups) {
            world.removed_groups += 1;
            world.send_daemon(0, ToDaemon::RemoveGroup { group });
        }
        for actor in world.living_actors() {
            world.send_daemon(0, ToDaemon::KillActor { actor, no_restart: true, out_of_scope: false });
        }
        world.run();
    }
    if world.failure.is_none() {
        world.check_end();
    }
    Outcome { failure: world.failure, trace: world.trace, counts: world.counts }
}

/// How many machines a seed has: mostly few, sometimes hundreds.
fn machine_count(seed: u64, workload: &Workload, random: &mut Random) -> usize {
    match workload.machines {
        0 => 1,
        _ if seed % 250 == 249 => 100 + random.below(200) as usize,
        most => 3 + random.below(most - 2) as usize,
    }
}

fn world(seed: u64, workload: &Workload, defects: Defects, prints: bool) -> World {
    let mut random = Random::new(seed);
    let mut machines = Vec::new();
    for machine in 0..machine_count(seed, workload, &mut random) {
        let cpus = 1 + random.below(4) as i64;
        let mut node = new_node(machine, cpus, workload);
        node.set_defects(defects.node);
        machines.push(Machine::new(node));
    }
    let head = (workload.machines > 0).then(|| Cluster { head: Head::new(), tick_planned_us: 0, heard: 0 });
    let faults_left = if workload.machines > 0 {
        random.below(workload.driver_steps / 4)
    } else {
        40 * u64::from(workload.is_pressed)
    };
    let mut driver = Process::new(0, machines[0].node.worker_id(0), workload, defects.core);
    let root = mix(seed, 77);
    driver.running = Some(Running::new(Script::of(root, 0, Place::Driver, workload), root, 0));
    let mut processes = Processes::default();
    processes.add(driver);
    World {
        workload: *workload,
        defects,
        random,
        now_ns: 0,
        events: BTreeMap::new(),
        next_event: 0,
        links: BTreeMap::new(),
        processes,
        daemon: Daemon {
            machines,
            head,
            placed: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            dead_actors: BTreeSet::new(),
            limits: BTreeMap::new(),
            victims: BTreeSet::new(),
            actors: Actors::default(),
            peers: BTreeMap::new(),
            graveyard: BTreeMap::new(),
            killed: BTreeMap::new(),
            arguments: BTreeMap::new(),
        },
        expected: BTreeMap::new(),
        handles: BTreeMap::new(),
        store: BTreeMap::new(),
        lost_nodes: BTreeSet::new(),
        leaving: BTreeMap::new(),
        prepared: BTreeSet::new(),
        next_place: 0,
        next_actor: 0,
        begun: BTreeSet::new(),
        raised: BTreeMap::new(),
        limits: BTreeMap::new(),
        cancelled: BTreeMap::new(),
        late: Vec::new(),
        failure: None,
        finished: false,
        faults_left,
        groups: Vec::new(),
        removed_groups: 0,
        counts: Counts::default(),
        trace: seed,
        prints,
    }
}
