//! A network that ended leaves nothing behind. In a binary of its own: it counts what the whole process has.
#![allow(clippy::unwrap_used)]

#[path = "network/common/mod.rs"]
mod common;

use std::time::{Duration, SystemTime};

use common::{Node, introduce, quick};
use trygon_cluster::Outgoing;
use trygon_rpc::{Authority, Preamble, Purpose};

fn entries(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

#[test]
fn stopping_leaves_no_thread_and_no_descriptor() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    // What the process needs once and keeps is there after the first round.
    let mut before = (0, 0);
    for round in 0..3 {
        {
            let first = Node::start(&authority, 1, common::NO_HEAD, quick());
            let mut second = Node::start(&authority, 2, &first.address(), quick());
            introduce(&[&first, &second]);
            first.tell(second.id, 1);
            second.next_number();
            let preamble = Preamble::between_nodes(Purpose::Object, first.id, second.id, 0);
            second.network.send(Outgoing::Dial { token: 1, address: first.address(), preamble });
            std::thread::sleep(Duration::from_millis(100));
        }
        let now = (entries("task"), entries("fd"));
        if round == 0 {
            before = now;
        }
        assert_eq!(now, before, "threads and descriptors after round {round}");
    }
}
