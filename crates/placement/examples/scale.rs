//! How long a choice takes among many nodes: prints the time of one, by what is asked for.

use std::time::Instant;
use trygon_ids::NodeId;
use trygon_placement::{Demand, Labels, NodeState, Pick, View};
use trygon_resources::{Amount, ResourceSet};

const PICKS: u64 = 20_000;

fn set(entries: &[(&str, i64)]) -> ResourceSet {
    entries.iter().map(|(name, amount)| ((*name).to_owned(), Amount::whole(*amount))).collect()
}

fn view(nodes: u32) -> View {
    let mut view = View::default();
    for number in 0..nodes {
        let mut bytes = [1; NodeId::LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let gpus = if number % 1000 == 0 { 8 } else { 0 };
        let zone = ("zone".to_owned(), format!("z{}", number % 50));
        view.put(NodeState {
            node: NodeId::new(bytes),
            number,
            total: set(&[("CPU", 64), ("memory", 256), ("object_store_memory", 64), ("GPU", gpus)]),
            free: set(&[
                ("CPU", i64::from(number) * 7 % 65),
                ("memory", 200),
                ("object_store_memory", 64),
                ("GPU", gpus),
            ]),
            labels: Labels::from([zone]),
            is_draining: false,
            queued: 0,
        });
    }
    view
}

fn main() {
    for nodes in [1_000, 10_000] {
        let mut view = view(nodes);
        let kinds: [(&str, &[(&str, i64)]); 5] = [
            ("one CPU", &[("CPU", 1)]),
            ("a CPU and a GPU, which few have", &[("CPU", 1), ("GPU", 1)]),
            ("a CPU in one zone of fifty", &[("CPU", 1), ("labels:zone=z7", 1)]),
            ("a CPU outside one zone", &[("CPU", 1), ("labels:zone=!z7", 1)]),
            ("more than any has", &[("CPU", 65)]),
        ];
        for (name, wanted) in kinds {
            let demand = Demand::parse(&set(wanted));
            let named = demand.named_amounts();
            let started = Instant::now();
            let mut found = 0;
            for salt in 0..PICKS {
                let pick = Pick { demand: &demand, named: &named, salt, skip: &|_| false };
                found += u64::from(view.pick(&pick).is_some());
            }
            let each_us = started.elapsed().as_secs_f64() * 1e6 / PICKS as f64;
            println!("{nodes} nodes, {name}: {each_us:.2} us a choice, found {found} of {PICKS}");
        }
        let one = set(&[("CPU", 1)]);
        let ids: Vec<NodeId> = view.iter().map(|seat| seat.node()).collect();
        let started = Instant::now();
        for number in 0..PICKS as usize {
            view.ask(ids[number % ids.len()], &one, 1);
        }
        println!("{nodes} nodes: {:.2} us a change", started.elapsed().as_secs_f64() * 1e6 / PICKS as f64);
    }
}
