//! Anything in any order: every law holds after every message, and at rest everything is where it should be.

use super::random_world::{Machine, Place, World};
use super::{Body, group, node, worker};
use crate::head::plan::BundlePlace;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::GroupState;
use trygon_ids::{ActorId, NodeId, PlacementGroupId};
use trygon_proto::control::{Bundle, CreateActor, CreatePlacementGroup, KillActor, RemovePlacementGroup};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::{DrainNode, FromProcess};

const STRATEGIES: [&str; 4] = ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"];

/// The driver is on the first node, which does not die.
fn ask(world: &mut World, request: Request) {
    let worker_id = worker(1, 1).as_bytes().to_vec();
    let message = FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request: Some(request) };
    if world.machines[&1].is_connected {
        world.say(1, Body::FromProcess(message));
    }
}

fn create_actor(world: &mut World, number: u8) {
    let actor_id = vec![number; ActorId::LEN];
    let placement_resources = super::amounts(&[("CPU", 1.0)]);
    let lifetime_resources = placement_resources.clone();
    let create =
        CreateActor { actor_id, placement_resources, lifetime_resources, max_restarts: -1, ..CreateActor::default() };
    ask(world, Request::CreateActor(create));
}

fn create_group(world: &mut World, number: u8) {
    let (strategy, count) = (STRATEGIES[world.below(4) as usize].to_owned(), 1 + world.below(4));
    let bundle = Bundle { resources: super::amounts(&[("CPU", 1.0)]) };
    let group_id = group(number).as_bytes().to_vec();
    let bundles = vec![bundle; count as usize];
    let create = CreatePlacementGroup { group_id, strategy, bundles, ..CreatePlacementGroup::default() };
    ask(world, Request::CreateGroup(create));
}

fn lose(world: &mut World, number: u8) {
    if number == 1 {
        return;
    }
    let comes_back = world.below(3);
    let mut out = crate::head::Out::new();
    let now_us = world.cluster.now_us;
    world.cluster.head.on_node_lost(now_us, node(number), "its lease ended", &mut out);
    let machine = world.machines.get_mut(&number).expect("a machine");
    machine.disconnect();
    match comes_back {
        0 => _ = world.machines.remove(&number),
        1 => world.replace(number),
        // It kept what it had, against the rules: it hears that it was given up, and comes back as another one.
        _ => machine.is_suspect = true,
    }
    world.send(out);
}

fn step(world: &mut World, next: &mut (u8, u8, u8)) {
    let number = world.any();
    match world.below(40) {
        0..=9 => _ = world.deliver_to_head(number),
        10..=19 => _ = world.deliver_to_node(number),
        20..=23 => world.machines.get_mut(&number).expect("a machine").act(number),
        24..=27 => {
            let delay_us = world.below(60_000);
            world.pass(delay_us);
        }
        28..=29 if next.0 < 250 => {
            next.0 += 1;
            create_actor(world, next.0);
        }
        30..=31 if next.1 < 250 => {
            next.1 += 1;
            create_group(world, next.1);
        }
        32 => {
            let actor_id = vec![1 + world.below(u64::from(next.0) + 1) as u8; ActorId::LEN];
            ask(world, Request::KillActor(KillActor { actor_id, no_restart: true, ..KillActor::default() }));
        }
        33..=34 => {
            let number = 1 + world.below(u64::from(next.1) + 1) as u8;
            let group_id = group(number).as_bytes().to_vec();
            ask(world, Request::RemoveGroup(RemovePlacementGroup { group_id }));
        }
        35 => world.machines.get_mut(&number).expect("a machine").disconnect(),
        36 => {
            let machine = world.machines.get_mut(&number).expect("a machine");
            if !machine.is_connected {
                machine.connect(number);
            }
        }
        37 if world.below(3) == 0 => lose(world, number),
        38 if world.machines.len() < 8 && next.2 < 200 => {
            next.2 += 1;
            world.add(next.2);
        }
        39 => {
            let machine = world.machines.get_mut(&number).expect("a machine");
            let worker = machine.workers.keys().next().copied();
            worker.into_iter().for_each(|worker| machine.end(worker));
            match world.below(20) {
                0 => world.restart_head(),
                1 if number != 1 => {
                    let drain =
                        DrainNode { node_id: node(number).as_bytes().to_vec(), reason: String::new(), deadline_ms: 0 };
                    world.say(1, Body::Drain(drain));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let mut next = (0, 0, 8);
    for _ in 0..3 {
        for _ in 0..400 {
            step(&mut world, &mut next);
            world.cluster.head.sanity_check().expect("every law holds");
            world.check_bundles();
        }
        world.settle();
        world.cluster.head.sanity_check().expect("every law holds");
        world.machines.values_mut().for_each(|machine| machine.is_suspect = false);
        world.check_bundles();
        check_rest(&world);
    }
}

/// Nothing is on its way: the head and the nodes agree, and nothing waits that has room.
fn check_rest(world: &World) {
    let head = &world.cluster.head;
    let mut believed: BTreeMap<NodeId, BTreeSet<Place>> = BTreeMap::new();
    for (id, plan) in &head.plans {
        for (index, node) in plan.held() {
            believed.entry(node).or_default().insert((id.as_bytes().to_vec(), index as u32));
        }
    }
    let mut running = 0;
    for (number, machine) in &world.machines {
        let held: BTreeSet<Place> = machine.held.keys().cloned().collect();
        assert_eq!(held, believed.remove(&node(*number)).unwrap_or_default(), "the bundles of node {number}");
        for (place, (_, is_committed)) in &machine.held {
            let id = PlacementGroupId::from_bytes(&place.0).expect("an id");
            let is_used = matches!(head.plans[&id].bundles[place.1 as usize], BundlePlace::Held { .. });
            assert_eq!(*is_committed, is_used, "GROUP-4 on node {number}");
        }
        for (worker, (actor, life, runs)) in &machine.workers {
            let entry = head.actors.get(ActorId::from_bytes(actor).expect("an id")).expect("an actor");
            assert_eq!((entry.worker(), entry.incarnation), (Some(*worker), *life), "SEAT-1 on node {number}");
            assert!(runs, "BACK-2: an actor that runs is known to");
            running += 1;
        }
    }
    let live = head.actors.iter().filter(|(_, actor)| actor.worker().is_some()).count();
    assert_eq!(running, live, "BACK-1: the head believes in workers that are gone");
    check_room(world);
}

fn check_room(world: &World) {
    let head = &world.cluster.head;
    let takes_work = |number: &u8| head.nodes.by_id.get(&node(*number)).is_some_and(|entry| entry.takes_work());
    let open: BTreeMap<NodeId, &Machine> = world
        .machines
        .iter()
        .filter(|(number, _)| takes_work(number))
        .map(|(number, machine)| (node(*number), machine))
        .collect();
    let free: usize = open.values().map(|machine| machine.free()).sum();
    let waits = head.actors.iter().any(|(_, actor)| !actor.is_dead() && actor.worker().is_none());
    assert!(!waits || free == 0, "FAIL-1: an actor waits while {free} CPUs are free");
    for (id, plan) in &head.plans {
        let entry = head.groups.get(*id).expect("a group");
        if entry.state == GroupState::Created {
            continue;
        }
        let (missing, at): (usize, BTreeSet<NodeId>) =
            (plan.missing().len(), plan.held().map(|(_, node)| node).collect());
        let room = |node: &NodeId| open.get(node).map_or(0, |machine| machine.free());
        let has_room = match entry.spec.strategy.name() {
            "STRICT_PACK" if at.is_empty() => open.values().any(|machine| machine.free() >= missing),
            "STRICT_PACK" => at.iter().any(|node| room(node) >= missing),
            "STRICT_SPREAD" => open.keys().filter(|node| !at.contains(node) && room(node) > 0).count() >= missing,
            _ => free >= missing,
        };
        assert!(!has_room, "FAIL-1: a group waits that has room: {plan:?}");
    }
}

#[test]
fn everything_comes_to_rest_where_it_should_be() {
    for seed in 0..60 {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
    }
}
