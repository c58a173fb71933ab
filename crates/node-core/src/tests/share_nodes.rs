//! FAIR-2 among nodes: a job gets its share also where only others have owners.

use crate::tests::net::Net;
use crate::tests::share_time::job;
use crate::{Effect, Event};

/// Lets so much time pass; workers are ready at once, and owners give back what they are asked for.
fn pass(net: &mut Net, milliseconds: u64) {
    let end_ms = net.now_ms + milliseconds;
    loop {
        for (at, worker) in std::mem::take(&mut net.starting) {
            net.step(at, Event::WorkerReady { worker });
        }
        let wires: Vec<_> = net.wires.keys().copied().collect();
        let moved = wires.into_iter().filter(|wire| net.deliver(*wire)).count();
        let asked: Vec<u64> = std::mem::take(&mut net.told).into_iter().filter_map(revoked).collect();
        let held: Vec<_> = net.granted.iter().filter(|granted| asked.contains(&granted.lease)).copied().collect();
        assert_eq!(held.len(), asked.len());
        held.iter().for_each(|granted| net.give_back(*granted));
        if moved > 0 || !held.is_empty() || !net.starting.is_empty() {
            continue;
        }
        let deadlines = net.nodes.iter().enumerate().filter_map(|(at, node)| Some((node.next_deadline_ms()?, at)));
        let Some((at_ms, at)) = deadlines.min().filter(|(at_ms, _)| *at_ms <= end_ms) else {
            net.now_ms = end_ms;
            return;
        };
        net.now_ms = net.now_ms.max(at_ms);
        net.step(at, Event::Tick);
    }
}

fn revoked(effect: Effect) -> Option<u64> {
    match effect {
        Effect::Revoke { lease, .. } | Effect::RevokeRemote { lease, .. } => Some(lease),
        _ => None,
    }
}

#[test]
fn a_job_gets_its_share_of_every_node() {
    let mut net = Net::of_cpus(&[4.0, 4.0, 4.0]);
    for at in 0..3 {
        net.step(at, Event::JobWeighted { job: job(0), weight: 1.0 });
        net.step(at, Event::JobWeighted { job: job(1), weight: 3.0 });
    }
    net.job = job(0);
    net.request(0, 1, 1_000, &[("CPU", 1.0)]);
    pass(&mut net, 5_000);
    assert_eq!(net.places(1), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    net.job = job(1);
    net.request(2, 2, 1_000, &[("CPU", 1.0)]);
    pass(&mut net, 5_000);
    assert_eq!(net.places(1), [0, 1, 2]);
    assert_eq!(net.places(2), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    // Nobody is asked for much while that is so.
    let asks = net.asks;
    pass(&mut net, 60_000);
    assert!(net.asks < asks + 300, "{}", net.asks - asks);
    // The end of one is the other's gain.
    net.step(2, Event::LeaseCancelled { owner: net.driver(2), request_id: 2 });
    let held: Vec<_> = net.granted.iter().filter(|granted| granted.request_id == 2).copied().collect();
    held.into_iter().for_each(|granted| net.give_back(granted));
    pass(&mut net, 5_000);
    assert_eq!(net.places(1).len(), 12);
}
