//! Networks that speak with one another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::common::proxy::Proxy;
use crate::common::{NO_HEAD, Node, certificate, identity, introduce, node_id, number_of, numbered, quick};
use trygon_cluster::{Incoming, Limits, Outgoing};
use trygon_rpc::Authority;

fn authority() -> Authority {
    Authority::create(std::time::SystemTime::now()).unwrap()
}

#[test]
fn three_nodes_tell_each_other_everything_in_order() {
    let authority = authority();
    let mut nodes: Vec<Node> = (1..=3).map(|number| Node::start(&authority, number, NO_HEAD, quick())).collect();
    introduce(&nodes.iter().collect::<Vec<_>>());
    for number in 0..1000 {
        for from in &nodes {
            nodes.iter().filter(|to| to.id != from.id).for_each(|to| from.tell(to.id, number));
        }
    }
    for node in &mut nodes {
        let mut next = BTreeMap::new();
        for _ in 0..2000 {
            let (from, number) = node.next_number();
            let expected = next.entry(from).or_insert(0);
            assert_eq!(number, *expected, "from {from:?}");
            *expected += 1;
        }
        assert_eq!(next.len(), 2);
        assert!(!next.contains_key(&node.id));
    }
}

#[test]
fn many_small_messages_and_a_large_one() {
    let authority = authority();
    let sender = Node::start(&authority, 1, NO_HEAD, quick());
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    introduce(&[&sender, &receiver]);
    sender.tell(receiver.id, 0);
    assert_eq!(receiver.next_number(), (sender.id, 0));
    let count = 100_000;
    let began = Instant::now();
    (1..=count).for_each(|number| sender.tell(receiver.id, number));
    let handed_over = began.elapsed();
    for number in 1..=count {
        assert_eq!(receiver.next_number().1, number);
    }
    println!("{count} messages: handed over in {handed_over:?}, arrived after {:?}", began.elapsed());
    let large = numbered(7, 5 << 20);
    sender.tell_message(receiver.id, large.clone());
    let arrived = receiver.wait_for("the large message", |incoming| match incoming {
        Incoming::FromNode { message, .. } => Some(*message),
        _ => None,
    });
    assert!(arrived == large);
}

#[test]
fn an_answer_comes_back_soon() {
    let authority = authority();
    let mut asking = Node::start(&authority, 1, NO_HEAD, quick());
    let mut answering = Node::start(&authority, 2, NO_HEAD, quick());
    introduce(&[&asking, &answering]);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..1000 {
                assert_eq!(answering.next_number().1, number);
                answering.tell(node_id(1), number);
            }
        });
        for number in 0..1000 {
            let began = Instant::now();
            asking.tell(node_id(2), number);
            assert_eq!(asking.next_number().1, number);
            times.push(began.elapsed());
        }
    });
    times.sort();
    println!("there and back: median {:?}, 99 of 100 within {:?}, longest {:?}", times[500], times[990], times[999]);
    assert!(times[500] < Duration::from_millis(20), "{:?}: something waits for a timer", times[500]);
}

/// CARRY-1: nothing is lost, doubled or reordered by connections that break at any point.
#[test]
fn cut_connections_lose_nothing() {
    let authority = authority();
    let sender = Node::start(&authority, 1, NO_HEAD, quick());
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    let proxy = Proxy::start(receiver.address());
    sender.network.send(Outgoing::Addresses(BTreeMap::from([(receiver.id, proxy.address())])));
    let count = 4000;
    let cutting = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for number in 0..count {
                sender.tell_message(node_id(2), numbered(number, 1000));
                if number % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
                if number % 400 == 399 {
                    proxy.cut();
                }
            }
        });
        for number in 0..count {
            assert_eq!(receiver.next_number().1, number);
        }
        sending.join()
    });
    cutting.unwrap();
    assert!(proxy.accepted() >= 4, "only {} connections: the link was hardly cut", proxy.accepted());
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        receiver.drain().iter().all(|incoming| !matches!(incoming, Incoming::FromNode { .. })),
        "something came twice"
    );
}

/// CARRY-2: what is given up is reported on both sides, and the next message begins anew.
#[test]
fn a_node_that_stays_away_is_reported_on_both_sides() {
    let authority = authority();
    let mut sender = Node::start(&authority, 1, NO_HEAD, quick());
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    let proxy = Proxy::start(receiver.address());
    sender.network.send(Outgoing::Addresses(BTreeMap::from([(receiver.id, proxy.address())])));
    sender.tell(receiver.id, 1);
    assert_eq!(receiver.next_number(), (sender.id, 1));
    proxy.set_shut(true);
    proxy.cut();
    sender.tell(receiver.id, 2);
    let unreachable = |incoming| match incoming {
        Incoming::NodeUnreachable { node, reason } => Some((node, reason)),
        Incoming::FromNode { message, .. } => panic!("{message:?}"),
        _ => None,
    };
    let (node, reason) = sender.wait_for("the report", unreachable);
    assert_eq!(node, receiver.id);
    assert!(reason.contains("tried again for"), "{reason}");
    assert_eq!(receiver.wait_for("the report", unreachable).0, sender.id);
    proxy.set_shut(false);
    sender.tell(receiver.id, 3);
    assert_eq!(receiver.next_number(), (sender.id, 3));
}

#[test]
fn a_node_whose_address_never_comes_is_reported() {
    let authority = authority();
    let mut sender = Node::start(&authority, 1, NO_HEAD, quick());
    sender.tell(node_id(9), 1);
    let reason = sender.wait_for("the report", |incoming| match incoming {
        Incoming::NodeUnreachable { node, reason } if node == node_id(9) => Some(reason),
        _ => None,
    });
    assert!(reason.contains("address"), "{reason}");
}

#[test]
fn an_idle_link_is_closed_and_opened_again() {
    let authority = authority();
    let limits = Limits { idle: Duration::from_millis(200), ..quick() };
    let sender = Node::start(&authority, 1, NO_HEAD, limits);
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    let proxy = Proxy::start(receiver.address());
    sender.network.send(Outgoing::Addresses(BTreeMap::from([(receiver.id, proxy.address())])));
    for number in 0..4 {
        sender.tell(receiver.id, number);
        assert_eq!(receiver.next_number().1, number);
        std::thread::sleep(Duration::from_millis(700));
    }
    assert_eq!(proxy.accepted(), 4);
    std::thread::sleep(Duration::from_secs(3));
    let reports = receiver.drain();
    assert!(!reports.iter().any(|incoming| matches!(incoming, Incoming::NodeUnreachable { .. })), "{reports:?}");
}

#[test]
fn a_node_that_does_not_read_is_cut_off_and_reported() {
    let authority = authority();
    let limits = Limits { queue_bytes: 4 << 20, inbox_bytes: 1 << 20, ..quick() };
    let mut sender = Node::start(&authority, 1, NO_HEAD, limits.clone());
    let receiver = Node::start(&authority, 2, NO_HEAD, limits);
    introduce(&[&sender, &receiver]);
    let mut sent = 0;
    let reason = loop {
        (0..10).for_each(|_| sender.tell_message(receiver.id, numbered(sent, 10_000)));
        sent += 10;
        assert!(sent < 10_000, "100 MB went somewhere");
        let report = sender.wait_within(Duration::from_millis(1), |incoming| match incoming {
            Incoming::NodeUnreachable { reason, .. } => Some(reason),
            _ => None,
        });
        if let Some(reason) = report {
            break reason;
        }
    };
    assert!(reason.contains("did not take"), "{reason}");
}

#[test]
fn a_node_of_another_cluster_is_not_heard() {
    let (ours, theirs) = (authority(), authority());
    let mut stranger = Node::start(&theirs, 1, NO_HEAD, quick());
    let mut node = Node::start(&ours, 2, NO_HEAD, quick());
    introduce(&[&stranger, &node]);
    stranger.tell(node.id, 1);
    let reason = stranger.wait_for("the refusal", |incoming| match incoming {
        Incoming::NodeUnreachable { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(reason.contains("not accepted"), "{reason}");
    assert!(node.drain().iter().all(|incoming| matches!(incoming, Incoming::HeadLost { .. })));
}

/// The name in the certificate counts, not the one in the preamble.
#[test]
fn a_node_cannot_speak_for_another() {
    let authority = authority();
    let false_identity = identity(&certificate(&authority, node_id(3)));
    let mut liar = Node::start_with(false_identity, 1, NO_HEAD, None, quick());
    let mut node = Node::start(&authority, 2, NO_HEAD, quick());
    introduce(&[&liar, &node]);
    liar.tell(node.id, 1);
    liar.wait_for("the refusal", |incoming| matches!(incoming, Incoming::NodeUnreachable { .. }).then_some(()));
    assert!(node.drain().iter().all(|incoming| matches!(incoming, Incoming::HeadLost { .. })));
    // Nor can another node sit at its address.
    node.network.send(Outgoing::Addresses(BTreeMap::from([(liar.id, liar.address())])));
    node.tell(liar.id, 2);
    node.wait_for("the refusal", |incoming| matches!(incoming, Incoming::NodeUnreachable { .. }).then_some(()));
    let heard = liar.drain();
    assert!(!heard.iter().any(|incoming| matches!(incoming, Incoming::FromNode { .. })), "{heard:?}");
}

#[test]
fn a_link_to_a_node_that_left_the_view_says_nothing_more() {
    let authority = authority();
    let sender = Node::start(&authority, 1, NO_HEAD, quick());
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    introduce(&[&sender, &receiver]);
    sender.tell(receiver.id, 1);
    assert_eq!(receiver.next_number(), (sender.id, 1));
    sender.network.send(Outgoing::Addresses(BTreeMap::new()));
    receiver.wait_for("the lapse", |incoming| match incoming {
        Incoming::NodeUnreachable { node, .. } if node == node_id(1) => Some(()),
        Incoming::FromNode { message, .. } => panic!("{}", number_of(&message)),
        _ => None,
    });
}

#[test]
fn what_was_said_before_the_end_still_arrives() {
    let authority = authority();
    let mut receiver = Node::start(&authority, 2, NO_HEAD, quick());
    let sender = Node::start(&authority, 1, NO_HEAD, quick());
    introduce(&[&sender, &receiver]);
    (0..1000).for_each(|number| sender.tell(receiver.id, number));
    drop(sender);
    for number in 0..1000 {
        assert_eq!(receiver.next_number().1, number);
    }
}
