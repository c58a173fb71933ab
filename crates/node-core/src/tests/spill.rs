//! Requests that other nodes serve.

use crate::tests::env::set;
use crate::tests::net::{Net, id};
use crate::{Effect, Event, Refusal};
use trygon_ids::PlacementGroupId;
use trygon_placement::{Delta, group_name};

#[test]
fn what_fits_here_stays_and_the_rest_is_divided_among_the_others() {
    let mut net = Net::of_cpus(&[2.0, 3.0, 1.0]);
    net.request(0, 1, 6, &[("CPU", 1.0)]);
    net.settle();
    assert_eq!(net.places(1), [0, 0, 1, 1, 1, 2]);
    // SPILL-1: nobody was asked for more than was left.
    assert_eq!(net.nodes[0].foreign_lease_count(), 4);
    for granted in net.granted.clone() {
        net.give_back(granted);
    }
    net.settle();
    net.assert_empty();
}

#[test]
fn what_was_asked_counts_as_taken_until_it_is_answered() {
    // SPILL-4: the second request is not sent after room that the first one asked for.
    let mut net = Net::of_cpus(&[1.0, 2.0]);
    net.request(0, 1, 3, &[("CPU", 1.0)]);
    net.request(0, 2, 2, &[("CPU", 1.0)]);
    assert_eq!(net.nodes[0].asked_leases(), 2);
    net.settle();
    assert_eq!((net.places(1), net.places(2)), (vec![0, 1, 1], vec![]));
}

#[test]
fn leases_say_which_node_they_are_of() {
    let mut net = Net::of_cpus(&[0.0, 1.0]);
    net.request(0, 1, 1, &[("CPU", 1.0)]);
    net.settle();
    assert_eq!(net.granted[0].lease >> 40, 2);
}

#[test]
fn what_is_declined_comes_back_and_waits_here() {
    // SPILL-3: the other node has no room any more, and says so.
    let mut net = Net::of_cpus(&[1.0, 1.0]);
    net.request(1, 7, 1, &[("CPU", 1.0)]);
    net.request(0, 1, 2, &[("CPU", 1.0)]);
    net.settle();
    assert_eq!((net.places(7), net.places(1)), (vec![1], vec![0]));
    assert_eq!((net.nodes[0].waiting_leases(), net.nodes[0].asked_leases()), (1, 0));
    // As soon as there is room, the request that waits is asked for again.
    let others = net.granted.iter().find(|granted| granted.request_id == 7).copied().expect("a lease");
    net.give_back(others);
    net.settle();
    assert_eq!(net.places(1), [0, 1]);
}

#[test]
fn two_nodes_that_think_the_other_has_room_do_not_ask_for_ever() {
    let mut net = Net::of_cpus(&[1.0, 1.0]);
    // Neither hears of the other's load: the view stays as it was at first.
    net.request(0, 1, 10, &[("CPU", 1.0)]);
    net.request(1, 2, 10, &[("CPU", 1.0)]);
    for _ in 0..200 {
        net.now_ms += 10;
        for (at, worker) in std::mem::take(&mut net.starting) {
            net.step(at, Event::WorkerReady { worker });
        }
        net.deliver((Some(0), 1));
        net.deliver((Some(1), 0));
        for at in [0, 1] {
            net.wires.remove(&(None, at));
            let stale = vec![crate::tests::net::Net::of_cpus(&[1.0, 1.0]).states[1 - at].clone()];
            net.step(at, Event::ClusterChanged(Delta { nodes: stale, ..Delta::default() }));
        }
    }
    assert_eq!(net.granted.len(), 2);
    assert!(net.asks < 40, "{} asks in two seconds", net.asks);
}

#[test]
fn what_cannot_be_here_waits_where_it_can_and_takes_its_turn_there() {
    let mut net = Net::new(&[set(&[("CPU", 4.0)]), set(&[("CPU", 4.0), ("GPU", 1.0)])]);
    net.request(1, 7, 3, &[("GPU", 1.0)]);
    net.settle();
    net.request(0, 1, 3, &[("GPU", 1.0)]);
    net.settle();
    assert!(!net.told.iter().any(|effect| matches!(effect, Effect::LeaseWaits { .. })), "{:?}", net.told);
    // No more waits there than could run there at once.
    assert_eq!(net.nodes[0].asked_leases(), 1);
    let mut order = Vec::new();
    while let Some(granted) = net.granted.first().copied() {
        order.push(granted.request_id);
        net.give_back(granted);
        net.settle();
    }
    assert_eq!(order, [7, 1, 7, 1, 7, 1]);
    net.assert_empty();
}

#[test]
fn what_waits_at_one_node_goes_to_another_that_has_room() {
    let gpu = || set(&[("GPU", 1.0)]);
    let mut net = Net::new(&[set(&[("CPU", 1.0)]), gpu(), gpu()]);
    net.request(1, 7, 1, &[("GPU", 1.0)]);
    net.request(2, 8, 1, &[("GPU", 1.0)]);
    net.settle();
    net.request(0, 1, 1, &[("GPU", 1.0)]);
    net.settle();
    assert_eq!(net.nodes[0].asked_leases(), 1);
    net.now_ms += 2_000;
    let asked = if net.nodes[1].waiting_leases() > 0 { 7 } else { 8 };
    let other = net.granted.iter().find(|granted| granted.request_id != asked).copied().expect("a lease");
    net.give_back(other);
    net.settle();
    assert_eq!(net.places(1).len(), 1);
}

#[test]
fn what_nobody_has_waits_and_says_so_once() {
    let mut net = Net::of_cpus(&[1.0, 2.0]);
    net.request(0, 1, 1, &[("GPU", 1.0)]);
    net.request(0, 2, 1, &[("CPU", 3.0)]);
    net.settle();
    let messages: Vec<&str> = net
        .told
        .iter()
        .map(|effect| match effect {
            Effect::LeaseWaits { message, .. } => message.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(messages[0].contains("none of the 2 nodes has GPU"), "{messages:?}");
    assert!(messages[1].contains("more CPU than 2"), "{messages:?}");
    assert_eq!(messages.len(), 2);
    // A node with a GPU joins.
    let state = trygon_placement::NodeState {
        node: id(9),
        number: 10,
        total: set(&[("GPU", 1.0)]),
        free: set(&[("GPU", 1.0)]),
        ..net.states[1].clone()
    };
    net.step(0, Event::ClusterChanged(Delta { nodes: vec![state], ..Delta::default() }));
    assert_eq!((net.asks, net.nodes[0].asked_leases()), (1, 1));
}

#[test]
fn a_request_that_is_bound_to_a_node_goes_there_or_is_refused() {
    let mut net = Net::of_cpus(&[1.0, 1.0]);
    let bound = |number: usize| format!("node_id:{}", id(number));
    net.request(0, 1, 2, &[("CPU", 1.0), (bound(1).as_str(), 1.0)]);
    net.settle();
    // One has room, the other waits there.
    assert_eq!((net.places(1), net.nodes[0].asked_leases()), (vec![1], 1));
    net.kill(1);
    net.settle();
    let refused = |net: &Net, id: u64| {
        let is_it = |effect: &Effect| matches!(effect, Effect::LeaseRefused { request_id, refusal: Refusal::Unschedulable, .. } if *request_id == id);
        net.told.iter().any(is_it)
    };
    assert!(refused(&net, 1), "{:?}", net.told);
    net.request(0, 2, 1, &[("CPU", 1.0), (bound(1).as_str(), 1.0)]);
    assert!(refused(&net, 2));
    // Nobody knows this one yet; it is waited for a little.
    net.request(0, 3, 1, &[("CPU", 1.0), (bound(7).as_str(), 1.0)]);
    assert!(!refused(&net, 3));
    net.settle();
    assert!(refused(&net, 3));
    net.request(0, 4, 1, &[("CPU", 1.0), (format!("soft_{}", bound(1)).as_str(), 1.0)]);
    net.settle();
    assert_eq!(net.places(4), [0]);
}

#[test]
fn too_large_for_the_node_it_is_bound_to_is_refused() {
    let mut net = Net::of_cpus(&[9.0, 1.0]);
    net.request(0, 1, 1, &[("CPU", 2.0), (format!("node_id:{}", id(1)).as_str(), 1.0)]);
    assert!(matches!(net.told.as_slice(), [Effect::LeaseRefused { .. }]), "{:?}", net.told);
}

#[test]
fn wishes_are_heard_before_what_is_here() {
    let mut net = Net::of_cpus(&[4.0, 4.0, 4.0]);
    net.request(0, 1, 6, &[("CPU", 1.0), ("strategy:SPREAD", 1.0)]);
    net.settle();
    assert_eq!(net.places(1), [0, 0, 1, 1, 2, 2]);
    net.request(0, 2, 1, &[("CPU", 1.0), (format!("near_node_id:{}", id(2)).as_str(), 1.0)]);
    net.request(0, 3, 1, &[("CPU", 1.0), ("soft_labels:zone=b", 1.0)]);
    net.request(0, 4, 1, &[("CPU", 1.0), ("labels:zone=c|zone=a", 1.0)]);
    net.request(0, 5, 1, &[("CPU", 1.0), ("labels:zone=b", 1.0)]);
    net.request(0, 6, 1, &[("CPU", 1.0), (format!("soft_node_id:{}", id(1)).as_str(), 1.0)]);
    net.settle();
    let places: Vec<usize> = (2..6).flat_map(|request_id| net.places(request_id)).collect();
    assert_eq!(places, [2, 1, 2, 1]);
    // It waits at its node, though others have room.
    assert_eq!((net.places(6), net.nodes[1].waiting_leases()), (vec![], 1));
}

#[test]
fn a_cancelled_request_is_taken_back_everywhere() {
    // SPILL-2: the grant was on its way.
    let mut net = Net::of_cpus(&[0.0, 1.0]);
    net.request(0, 1, 1, &[("CPU", 1.0)]);
    net.deliver((Some(0), 1));
    for (at, worker) in std::mem::take(&mut net.starting) {
        net.step(at, Event::WorkerReady { worker });
    }
    let owner = net.driver(0);
    net.step(0, Event::LeaseCancelled { owner, request_id: 1 });
    net.settle();
    assert!(net.granted.is_empty());
    net.assert_empty();
}

#[test]
fn the_death_of_an_owner_ends_its_leases_elsewhere() {
    // SPILL-5
    let mut net = Net::of_cpus(&[0.0, 2.0]);
    net.request(0, 1, 3, &[("CPU", 1.0)]);
    net.settle();
    assert_eq!(net.granted.len(), 2);
    let driver = net.driver(0);
    net.die(0, driver);
    net.settle();
    net.assert_empty();
    assert!(net.processes[1].is_empty());
}

#[test]
fn the_death_of_a_node_ends_what_was_asked_of_it_and_what_it_asked() {
    // SPILL-5
    let mut net = Net::of_cpus(&[1.0, 1.0, 1.0]);
    net.request(0, 1, 3, &[("CPU", 1.0)]);
    net.settle();
    assert_eq!(net.places(1), [0, 1, 2]);
    net.request(2, 2, 1, &[("CPU", 1.0)]);
    net.kill(2);
    net.settle();
    assert_eq!(net.nodes[0].foreign_lease_count(), 1);
    net.kill(0);
    net.settle();
    net.assert_empty();
}

#[test]
fn what_a_broken_connection_lost_is_asked_again_and_held_by_nobody() {
    let mut net = Net::of_cpus(&[0.0, 1.0]);
    net.request(0, 1, 1, &[("CPU", 1.0)]);
    net.deliver((Some(0), 1));
    for (at, worker) in std::mem::take(&mut net.starting) {
        net.step(at, Event::WorkerReady { worker });
    }
    // The grant is lost.
    net.cut(0, 1);
    net.settle();
    assert_eq!(net.granted.len(), 1);
    net.give_back(net.granted[0]);
    // The return is lost.
    net.cut(0, 1);
    net.settle();
    net.assert_empty();
}

#[test]
fn an_environment_that_cannot_be_made_there_refuses_the_request() {
    let mut net = Net::of_cpus(&[0.0, 1.0]);
    let request = crate::LeaseRequest {
        job: trygon_ids::JobId::nil(),
        owner: net.driver(0),
        request_id: 1,
        resources: set(&[("CPU", 1.0)]),
        count: 1,
        depth: 0,
        name: "task".to_owned(),
        environment: 3,
    };
    net.step(0, Event::LeaseRequested(request));
    net.deliver((Some(0), 1));
    net.step(1, Event::EnvironmentFailed { environment: 3, message: "no such package".to_owned() });
    net.settle();
    assert!(matches!(net.told.as_slice(), [Effect::LeaseRefused { refusal: Refusal::NoEnvironment, .. }]));
    net.assert_empty();
}

#[test]
fn a_node_that_drains_takes_nothing_new() {
    let mut net = Net::of_cpus(&[2.0, 2.0]);
    net.settle();
    net.states[0].is_draining = true;
    for at in 0..2 {
        let nodes = vec![net.states[0].clone()];
        net.step(at, Event::ClusterChanged(Delta { nodes, ..Delta::default() }));
    }
    net.request(0, 1, 2, &[("CPU", 1.0)]);
    net.request(1, 2, 2, &[("CPU", 1.0)]);
    net.settle();
    assert!(net.places(1).iter().chain(&net.places(2)).all(|place| *place == 1));
    assert_eq!(net.granted.len(), 2);
}

#[test]
fn holds_for_fairness_reach_owners_elsewhere() {
    // FAIR-1
    let mut net = Net::of_cpus(&[0.0, 2.0]);
    net.request(0, 1, 2, &[("CPU", 1.0)]);
    net.settle();
    net.request(1, 2, 1, &[("CPU", 2.0)]);
    net.settle();
    let revoked = net.told.iter().filter(|effect| matches!(effect, Effect::RevokeRemote { .. })).count();
    assert_eq!(revoked, 2, "{:?}", net.told);
    for granted in net.granted.clone() {
        net.give_back(granted);
    }
    net.settle();
    assert_eq!(net.places(2), [1]);
}

#[test]
fn who_runs_in_a_group_hears_that_it_has_no_such_bundle_only_after_a_while() {
    // One bundle is here; where the other one is has not been heard.
    let mut net = Net::of_cpus(&[1.0, 1.0]);
    let group = PlacementGroupId::new([9; PlacementGroupId::LEN]);
    net.step(0, Event::BundlesPrepare { group, attempt: 1, bundles: vec![(1, set(&[("CPU", 1.0)]))] });
    net.step(0, Event::BundlesCommit { group, attempt: 1 });
    net.request(0, 1, 1, &[(group_name("CPU", &group, Some(0)).as_str(), 1.0)]);
    let is_told = |net: &Net| net.told.iter().any(|effect| matches!(effect, Effect::LeaseWaits { .. }));
    assert!(!is_told(&net), "{:?}", net.told);
    net.settle();
    assert!(net.now_ms >= 1_000 && is_told(&net), "{} {:?}", net.now_ms, net.told);
}
