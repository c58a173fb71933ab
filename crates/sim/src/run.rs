//! One run: a seed and a workload in, what happened out.

use crate::daemon_state::Daemon;
use crate::message::ToDaemon;
use crate::process::{Process, Running};
use crate::random::{Random, mix};
use crate::script::{Place, Script};
use crate::workload::Workload;
use crate::world::{Counts, World};
use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::Actors;
use trygon_node_core::{Event as NodeEvent, Node, Options, PLAIN};
use trygon_resources::{Amount, ResourceSet};
use trygon_worker_core::Defects;

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
    for number in 0..workload.jobs {
        let weight = 1.0 + 2.0 * number as f64;
        world.node_step(NodeEvent::JobWeighted { job: world.job_of(number), weight });
    }
    world.node_step(NodeEvent::Start);
    world.plan_step(0);
    world.run();
    if world.failure.is_none() && world.finished {
        // Handles that actors keep of one another would live as long as the program: it ends here.
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

fn world(seed: u64, workload: &Workload, defects: Defects, prints: bool) -> World {
    let mut random = Random::new(seed);
    let cpus = 1 + random.below(4) as i64;
    let resources: ResourceSet = [("CPU".to_owned(), Amount::whole(cpus))].into_iter().collect();
    let node = Node::new(Options {
        resources,
        node_id: String::new(),
        labels: trygon_node_core::Labels::new(),
        prestart_workers: cpus as usize,
        idle_worker_ms: u64::MAX / 2_000_000,
        max_workers: 0,
        max_parallel_starts: 4,
        environment: PLAIN,
        worker_id_prefix: [9; 20],
    });
    let mut driver = Process::new(0, node.worker_id(0));
    driver.core.defects = defects;
    let root = mix(seed, 77);
    driver.running = Some(Running::new(Script::of(root, 0, Place::Driver, workload), root, 0));
    World {
        workload: *workload,
        defects,
        random,
        now_ns: 0,
        events: BTreeMap::new(),
        next_event: 0,
        links: BTreeMap::new(),
        processes: vec![driver],
        daemon: Daemon {
            node,
            actors: Actors::default(),
            peers: BTreeMap::new(),
            graveyard: BTreeMap::new(),
            killed: BTreeMap::new(),
            arguments: BTreeMap::new(),
            tick_planned_ms: 0,
        },
        expected: BTreeMap::new(),
        handles: BTreeMap::new(),
        store: BTreeMap::new(),
        lost_nodes: BTreeSet::new(),
        next_place: 0,
        next_actor: 0,
        begun: BTreeSet::new(),
        limits: BTreeMap::new(),
        cancelled: BTreeMap::new(),
        late: Vec::new(),
        failure: None,
        finished: false,
        counts: Counts::default(),
        trace: seed,
        prints,
    }
}
