//! The link to the head.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use trygon_cluster::{Incoming, Limits, Outgoing};
use trygon_ids::JobId;
use trygon_proto::v1::{EndJob, HeadToNode, NodeToHead, RegisterNode, head_to_node, node_to_head};
use trygon_rpc::Authority;

use crate::common::head::TestHead;
use crate::common::proxy::Proxy;
use crate::common::{NO_HEAD, Node, quick};

/// The head's machine and another one, which reaches the head through a proxy.
struct Setup {
    authority: Authority,
    head: Option<TestHead>,
    door: Node,
    proxy: Proxy,
    node: Node,
}

impl Setup {
    fn start(limits: Limits) -> Self {
        let authority = Authority::create(SystemTime::now()).unwrap();
        let door = Node::start(&authority, 1, NO_HEAD, quick());
        let proxy = Proxy::start(door.address());
        let node = Node::start(&authority, 2, &proxy.address(), limits);
        let head = Some(TestHead::start(&authority));
        Self { authority, head, door, proxy, node }
    }

    /// Hands connections for the head on while the node waits for something.
    fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&Node, Incoming) -> Option<T>) -> T {
        for _ in 0..3000 {
            self.hand_on();
            let network = &mut self.node;
            let incoming = network.wait_within(Duration::from_millis(10), Some);
            if let Some(found) = incoming.and_then(|incoming| wanted(&self.node, incoming)) {
                return found;
            }
        }
        panic!("waited in vain for {what}");
    }

    fn hand_on(&mut self) {
        for incoming in self.door.drain() {
            if let (Incoming::Accepted { socket, .. }, Some(head)) = (incoming, &self.head) {
                head.accept(socket);
            }
        }
    }

    fn register(&mut self) {
        let connection = self.wait_for("the head", |_, incoming| match incoming {
            Incoming::HeadBack { connection } => Some(connection),
            _ => None,
        });
        register(&self.node, connection, "0.1.0");
    }

    fn wait_for_body(&mut self, what: &str) -> head_to_node::Body {
        self.wait_for(what, |node, incoming| match incoming {
            Incoming::FromHead(message) => message.body,
            Incoming::HeadBack { connection } => {
                register(node, connection, "0.1.0");
                None
            }
            _ => None,
        })
    }

    fn registrations(&self) -> u64 {
        self.head.as_ref().unwrap().registrations.load(Ordering::SeqCst)
    }
}

fn register(node: &Node, connection: u64, version: &str) {
    let register = RegisterNode { package_version: version.to_owned(), ..RegisterNode::default() };
    let message = Box::new(NodeToHead { body: Some(node_to_head::Body::Register(register)), ..NodeToHead::default() });
    node.network.send(Outgoing::Register { connection, message });
}

fn end_job(number: u32) -> Outgoing {
    let end = EndJob { job_id: number.to_be_bytes().to_vec(), death: None };
    Outgoing::ToHead(Box::new(NodeToHead { body: Some(node_to_head::Body::EndJob(end)), ..NodeToHead::default() }))
}

fn ended(body: &head_to_node::Body) -> u32 {
    match body {
        head_to_node::Body::JobEnded(ended) => {
            u32::from_be_bytes(*JobId::from_bytes(&ended.job_id).unwrap().as_bytes())
        }
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn messages_go_behind_the_registration_and_those_before_it_do_not() {
    let mut setup = Setup::start(quick());
    setup.node.network.send(end_job(1_000));
    setup.register();
    (0..100).for_each(|number| setup.node.network.send(end_job(number)));
    assert!(matches!(setup.wait_for_body("the registration"), head_to_node::Body::Registered(_)));
    for number in 0..100 {
        assert_eq!(ended(&setup.wait_for_body("an answer")), number);
    }
    assert_eq!(setup.registrations(), 1);
}

#[test]
fn a_head_that_goes_and_comes_back_is_registered_with_again() {
    let mut setup = Setup::start(quick());
    setup.register();
    assert!(matches!(setup.wait_for_body("the registration"), head_to_node::Body::Registered(_)));
    setup.head = None;
    setup.wait_for("the loss", |_, incoming| matches!(incoming, Incoming::HeadLost { .. }).then_some(()));
    setup.node.network.send(end_job(6));
    setup.head = Some(TestHead::start(&setup.authority));
    assert!(matches!(setup.wait_for_body("the registration"), head_to_node::Body::Registered(_)));
    setup.node.network.send(end_job(7));
    assert_eq!(ended(&setup.wait_for_body("what was said again")), 7);
    assert_eq!(setup.registrations(), 1);
}

#[test]
fn a_cut_connection_to_the_head_is_made_again() {
    let mut setup = Setup::start(quick());
    for _ in 0..5 {
        assert!(matches!(setup.wait_for_body("the registration"), head_to_node::Body::Registered(_)));
        setup.proxy.cut();
    }
    assert!(setup.registrations() >= 5);
}

#[test]
fn a_refused_registration_says_why_once() {
    let mut setup = Setup::start(quick());
    let mut reasons = Vec::new();
    let mut attempts = 0;
    setup.wait_for("three attempts", |node, incoming| {
        match incoming {
            Incoming::HeadBack { connection } => {
                attempts += 1;
                register(node, connection, "refused");
            }
            Incoming::HeadLost { reason } => reasons.push(reason),
            _ => {}
        }
        (attempts == 4).then_some(())
    });
    assert!(reasons.iter().any(|reason| reason.contains("this version is not taken")), "{reasons:?}");
}

/// A process with a node's certificate is not the head.
#[test]
fn another_node_is_not_taken_for_the_head() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    let mut door = Node::start(&authority, 1, NO_HEAD, quick());
    let mut node = Node::start(&authority, 2, &door.address(), quick());
    let streams = door.network.object_streams();
    let (preamble, socket) = door.wait_for("the node", |incoming| match incoming {
        Incoming::Accepted { preamble, socket, .. } => Some((preamble, socket)),
        _ => None,
    });
    assert!(streams.accept(&preamble, socket).is_err(), "the dialling side must break off");
    let reason = node.wait_for("the report", |incoming| match incoming {
        Incoming::HeadLost { reason } => Some(reason),
        Incoming::HeadBack { .. } => panic!("the wrong certificate was taken"),
        _ => None,
    });
    assert!(reason.contains("not accepted"), "{reason}");
}

#[test]
fn a_registration_for_an_earlier_connection_is_dropped() {
    let mut setup = Setup::start(quick());
    let first = setup.wait_for("the head", |_, incoming| match incoming {
        Incoming::HeadBack { connection } => Some(connection),
        _ => None,
    });
    setup.proxy.cut();
    let second = setup.wait_for("the head again", |_, incoming| match incoming {
        Incoming::HeadBack { connection } => Some(connection),
        _ => None,
    });
    assert_ne!(first, second);
    register(&setup.node, first, "stale");
    register(&setup.node, second, "0.1.0");
    let body = setup.wait_for_body("the registration");
    let head_to_node::Body::Registered(registered) = HeadToNode { body: Some(body) }.body.unwrap() else {
        panic!("no registration")
    };
    assert_eq!(registered.package_version, "0.1.0");
}
