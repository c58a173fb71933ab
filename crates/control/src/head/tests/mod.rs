//! The head with nodes that are only messages.

mod actors;
mod back;
mod endings;
mod groups;
mod incarnations;
mod nodes;
mod queries;
mod shipped;

use crate::head::{Head, Out};
use std::collections::BTreeMap;
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{Bundle, CreateActor, CreatePlacementGroup, FunctionPut, RemovePlacementGroup};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{ActorPlaced, BundlesPrepared, FromProcess, Load, NodeToHead, RegisterNode};

type Told = Vec<(NodeId, ToNode)>;

struct Cluster {
    head: Head,
    now_us: u64,
}

fn node(number: u8) -> NodeId {
    NodeId::new([number; NodeId::LEN])
}

fn worker(number: u8, process: u64) -> WorkerId {
    let mut bytes = [number; WorkerId::LEN];
    bytes[20..].copy_from_slice(&process.to_be_bytes());
    WorkerId::new(bytes)
}

fn group(number: u8) -> PlacementGroupId {
    PlacementGroupId::new([number; PlacementGroupId::LEN])
}

fn amounts(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
    list.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
}

impl Cluster {
    fn new() -> Self {
        Self { head: Head::new(), now_us: 1 }
    }

    fn tell(&mut self, from: u8, body: Body) -> Told {
        let mut out = Out::new();
        self.now_us += 10;
        self.head.apply(self.now_us, node(from), NodeToHead { body: Some(body), ..NodeToHead::default() }, &mut out);
        self.told(out)
    }

    fn told(&self, out: Out) -> Told {
        self.head.sanity_check().expect("every law holds");
        out.into_iter().map(|(to, message)| (to, message.body.expect("a body"))).collect()
    }

    /// Lets so much time pass.
    fn wait(&mut self, delay_us: u64) -> Told {
        let (until_us, mut out) = (self.now_us + delay_us, Out::new());
        while let Some(at_us) = self.head.next_deadline_us().filter(|at_us| *at_us <= until_us) {
            self.now_us = self.now_us.max(at_us);
            self.head.tick(self.now_us, &mut out);
        }
        self.now_us = until_us;
        self.told(out)
    }

    fn lose(&mut self, number: u8) -> Told {
        let mut out = Out::new();
        self.head.on_node_lost(self.now_us, node(number), "its lease ended", &mut out);
        self.told(out)
    }

    /// The head goes, and comes back from a snapshot: the same in every byte.
    fn restart(&mut self) {
        let snapshot = self.head.snapshot().expect("a snapshot");
        let large = snapshot.large.iter().map(|large| (large.digest, large.bytes.to_vec())).collect();
        let head = Head::restore(&snapshot.bytes, large).expect("a head");
        assert_eq!(head.snapshot().expect("a snapshot"), snapshot, "the same bytes for the same state");
        self.head = head;
    }

    fn put_function(&mut self, from: u8, hash: Vec<u8>, body: Vec<u8>) -> Told {
        self.ask(from, 1, Request::FunctionPut(FunctionPut { hash, body }))
    }

    fn load(&mut self, number: u8, free: &[(&str, f64)]) -> Told {
        self.tell(number, Body::Load(Load { free: amounts(free), ..Load::default() }))
    }

    fn group(&mut self, from: u8, number: u8, strategy: &str, bundles: &[&[(&str, f64)]]) -> Told {
        let bundles = bundles.iter().map(|bundle| Bundle { resources: amounts(bundle) }).collect();
        let create = CreatePlacementGroup {
            group_id: group(number).as_bytes().to_vec(),
            strategy: strategy.to_owned(),
            bundles,
            ..CreatePlacementGroup::default()
        };
        self.ask(from, 1, Request::CreateGroup(create))
    }

    fn remove_group(&mut self, from: u8, number: u8) -> Told {
        let group_id = group(number).as_bytes().to_vec();
        self.ask(from, 1, Request::RemoveGroup(RemovePlacementGroup { group_id }))
    }

    fn prepared(&mut self, at: u8, number: u8, attempt: u32, ok: bool) -> Told {
        let group_id = group(number).as_bytes().to_vec();
        self.tell(at, Body::BundlesPrepared(BundlesPrepared { group_id, attempt, ok, ..BundlesPrepared::default() }))
    }

    fn join(&mut self, number: u8, resources: &[(&str, f64)]) -> Told {
        self.tell(
            number,
            Body::Register(RegisterNode {
                node_id: node(number).as_bytes().to_vec(),
                address: format!("10.0.0.{number}:6380"),
                resources: amounts(resources),
                ..RegisterNode::default()
            }),
        )
    }

    fn ask(&mut self, from: u8, process: u64, request: Request) -> Told {
        let worker_id = worker(from, process).as_bytes().to_vec();
        self.tell(from, Body::FromProcess(FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request: Some(request) }))
    }

    fn create(&mut self, from: u8, actor: u8, needs: &[(&str, f64)], max_restarts: i64) -> Told {
        let message = CreateActor {
            actor_id: vec![actor; ActorId::LEN],
            class_name: "Counter".to_owned(),
            name: format!("actor-{actor}"),
            namespace: "space".to_owned(),
            placement_resources: amounts(needs),
            max_restarts,
            ..CreateActor::default()
        };
        self.ask(from, 1, Request::CreateActor(message))
    }

    fn placed(&mut self, at: u8, process: u64, actor: u8, incarnation: u32) -> Told {
        let worker_id = worker(at, process).as_bytes().to_vec();
        let actor_id = vec![actor; ActorId::LEN];
        self.tell(at, Body::ActorPlaced(ActorPlaced { actor_id, incarnation, worker_id, pid: 77 }))
    }
}

fn places(out: &[(NodeId, ToNode)]) -> Vec<(NodeId, u32)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::PlaceActor(message) => Some((*to, message.incarnation)),
            _ => None,
        })
        .collect()
}

fn states(out: &[(NodeId, ToNode)]) -> Vec<(NodeId, String)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::ToProcess(message) => match &message.reply {
                Some(Reply::ActorUpdate(update)) => Some((*to, update.state.clone())),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// Who was asked to hold which bundles, by which attempt.
fn prepares(out: &Told) -> Vec<(NodeId, u32, Vec<u32>)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::PrepareBundles(message) => {
                Some((*to, message.attempt, message.bundles.iter().map(|bundle| bundle.index).collect()))
            }
            _ => None,
        })
        .collect()
}

fn commits(out: &Told) -> Vec<(NodeId, u32)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::CommitBundles(message) => Some((*to, message.attempt)),
            _ => None,
        })
        .collect()
}

fn releases(out: &Told) -> Vec<(NodeId, u32)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::ReleaseGroup(message) => Some((*to, message.attempt)),
            _ => None,
        })
        .collect()
}

fn unplaces(out: &Told) -> Vec<NodeId> {
    out.iter().filter(|(_, body)| matches!(body, ToNode::UnplaceActor(_))).map(|(to, _)| *to).collect()
}

fn kills(out: &Told) -> Vec<(NodeId, Vec<u8>)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::KillWorker(message) => Some((*to, message.worker_id.clone())),
            _ => None,
        })
        .collect()
}
