//! Any order of events among several nodes, with messages that are late or lost, keeps the laws (SPILL-1 to SPILL-5), and when all that
//! was asked for is taken back nothing is held anywhere.

use crate::Event;
use crate::tests::env::set;
use crate::tests::net::Net;
use trygon_ids::{JobId, WorkerId};

/// Splitmix: the same seed gives the same story.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % limit as u64) as usize
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())].clone()) }
    }
}

fn a_request(net: &mut Net, at: usize, owner: WorkerId, dice: &mut Dice) {
    let node = format!("node_id:{}", crate::tests::net::id(dice.below(4)));
    let soft = format!("soft_{node}");
    let wishes =
        ["", "", "", "", "strategy:SPREAD", node.as_str(), soft.as_str(), "labels:zone=a|zone=b", "soft_labels:zone=c"];
    let shapes: [&[(&str, f64)]; 4] =
        [&[("CPU", 1.0)], &[("CPU", 2.0)], &[("GPU", 0.5)], &[("CPU", 1.0), ("GPU", 1.0)]];
    let mut wanted = shapes[dice.below(4)].to_vec();
    let wish = wishes[dice.below(wishes.len())];
    if !wish.is_empty() {
        wanted.push((wish, 1.0));
    }
    net.job = JobId::new([dice.below(2) as u8, 0, 0, 0]);
    net.request_of(at, owner, dice.below(6) as u64, 1 + dice.below(4) as u32, &wanted);
}

fn one_event(net: &mut Net, dice: &mut Dice) {
    let alive: Vec<usize> = net.alive.iter().copied().collect();
    let Some(at) = dice.any(&alive) else { return };
    let workers: Vec<WorkerId> = net.processes[at].iter().copied().collect();
    let worker = dice.any(&workers);
    net.now_ms += dice.below(30) as u64;
    match dice.below(40) {
        0..4 => {
            let owner = if dice.below(2) == 0 { worker } else { None }.unwrap_or(net.driver(at));
            a_request(net, at, owner, dice);
        }
        4 => {
            let owner = worker.unwrap_or(net.driver(at));
            net.step(at, Event::LeaseCancelled { owner, request_id: dice.below(6) as u64 });
        }
        5..9 => {
            if let Some(granted) = dice.any(&net.granted) {
                net.give_back(granted);
            }
        }
        9 => {
            if let Some(worker) = worker.filter(|_| dice.below(3) == 0) {
                net.die(at, worker);
                // Whoever has leases on it hears of it.
                for other in net.alive.clone() {
                    net.wires.entry((None, other)).or_default().push_back(Event::OwnersLost { owners: vec![worker] });
                }
            }
        }
        10 => {
            if let Some(worker) = worker {
                net.step(at, Event::Blocked { worker, depth: 0 });
            }
        }
        11 => {
            if let Some(worker) = worker {
                net.step(at, Event::Unblocked { worker });
            }
        }
        12 => net.step(at, Event::Tick),
        13..18 => {
            if let Some((at, worker)) = dice.any(&net.starting) {
                net.starting.retain(|(_, other)| *other != worker);
                net.step(at, Event::WorkerReady { worker });
            }
        }
        18 => {
            if let Some((at, worker)) = net.ending.pop() {
                net.die(at, worker);
            }
        }
        19 if dice.below(8) == 0 => {
            let other = alive[dice.below(alive.len())];
            if other != at {
                net.cut(at, other);
            }
        }
        20 if dice.below(40) == 0 && alive.len() > 1 => net.kill(at),
        _ => {
            let wires: Vec<_> = net.wires.keys().copied().collect();
            if let Some(wire) = dice.any(&wires) {
                net.deliver(wire);
            }
        }
    }
}

#[test]
fn any_order_of_events_among_nodes_keeps_the_laws_and_leaves_nothing_held() {
    for seed in 0..120 {
        let mut dice = Dice(seed);
        let small = set(&[("CPU", 2.0)]);
        let large = set(&[("CPU", 4.0), ("GPU", 1.0)]);
        let mut net = Net::new(&[small.clone(), large, small, set(&[("CPU", 1.0), ("GPU", 2.0)])]);
        // With one job, and with two that share (FAIR-2).
        for number in 0..2 * (seed % 2) {
            for at in 0..4 {
                let weight = 1.0 + 2.0 * number as f64;
                net.step(at, Event::JobWeighted { job: JobId::new([number as u8, 0, 0, 0]), weight });
            }
        }
        for _ in 0..500 {
            one_event(&mut net, &mut dice);
        }
        // Everything that was asked for is taken back, and every process ends.
        for at in net.alive.clone() {
            let owners: Vec<WorkerId> = net.processes[at].iter().copied().chain([net.driver(at)]).collect();
            for owner in owners {
                for request_id in 0..6 {
                    net.step(at, Event::LeaseCancelled { owner, request_id });
                }
            }
        }
        net.settle();
        for granted in net.granted.clone() {
            net.give_back(granted);
        }
        net.settle();
        for at in net.alive.clone() {
            for worker in net.processes[at].clone() {
                net.die(at, worker);
            }
        }
        net.settle();
        net.assert_empty();
    }
}
