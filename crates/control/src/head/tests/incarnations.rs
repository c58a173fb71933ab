//! NODE-1 in the head: who was given up is told so, and one daemon at a time has an address; fences.

use super::{Body, Cluster, ToNode, amounts, node};
use trygon_proto::v1::{FenceNode, RegisterNode};

fn register(number: u8, address: &str, first: u8) -> Body {
    Body::Register(RegisterNode {
        node_id: node(number).as_bytes().to_vec(),
        address: address.to_owned(),
        resources: amounts(&[("CPU", 1.0)]),
        first_id: node(first).as_bytes().to_vec(),
        ..RegisterNode::default()
    })
}

/// Whether the node was told that it is given up, and whether it is fenced.
fn given_up(out: &[(trygon_ids::NodeId, ToNode)], number: u8) -> Option<bool> {
    out.iter().find_map(|(to, body)| match body {
        ToNode::GivenUp(given_up) if *to == node(number) => Some(given_up.is_fenced),
        _ => None,
    })
}

#[test]
fn a_node_that_was_given_up_is_never_taken_back() {
    let mut cluster = Cluster::new();
    cluster.tell(1, register(1, "10.0.0.1:1", 1));
    cluster.tell(2, register(2, "10.0.0.2:1", 2));
    cluster.lose(2);
    let out = cluster.tell(2, register(2, "10.0.0.2:1", 2));
    assert_eq!(given_up(&out, 2), Some(false), "NODE-1");
    assert_eq!(cluster.head.members(), [node(1)]);
    assert_eq!(given_up(&cluster.tell(3, register(3, "10.0.0.2:1", 2)), 3), None, "another node of the same machine");
    assert_eq!(cluster.head.members(), [node(1), node(3)]);
}

#[test]
fn a_daemon_with_the_same_address_ends_the_node_before_it() {
    let mut cluster = Cluster::new();
    cluster.tell(1, register(1, "10.0.0.1:1", 1));
    cluster.tell(2, register(2, "10.0.0.2:1", 2));
    cluster.tell(3, register(3, "10.0.0.2:1", 2));
    assert_eq!(cluster.head.members(), [node(1), node(3)]);
}

#[test]
fn a_fenced_machine_stays_out_until_it_is_let_in() {
    let mut cluster = Cluster::new();
    cluster.tell(1, register(1, "10.0.0.1:1", 1));
    cluster.tell(2, register(2, "10.0.0.2:1", 2));
    let fence = |is_over| {
        let (node_id, reason) = (node(2).as_bytes().to_vec(), "bad memory".to_owned());
        Body::Fence(FenceNode { node_id, reason, is_over })
    };
    let out = cluster.tell(1, fence(false));
    assert_eq!(given_up(&out, 2), Some(true));
    assert_eq!(cluster.head.leaseless(), [node(2)], "it gets no lease");
    assert_eq!(cluster.head.members(), [node(1), node(2)], "NODE-2: it counts until it has stopped");
    cluster.lose(2);
    assert!(cluster.head.leaseless().is_empty());
    assert_eq!(given_up(&cluster.tell(3, register(3, "10.0.0.9:1", 2)), 3), Some(true), "the same daemon");
    assert_eq!(given_up(&cluster.tell(4, register(4, "10.0.0.2:7", 4)), 4), Some(true), "the same machine");
    assert_eq!(given_up(&cluster.tell(5, register(5, "10.0.0.3:1", 5)), 5), None);
    cluster.tell(1, fence(true));
    assert_eq!(given_up(&cluster.tell(6, register(6, "10.0.0.2:1", 2)), 6), None);
    assert_eq!(cluster.head.members().len(), 3);
}
