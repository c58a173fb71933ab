//! Seeds of what nodes and head say: short stories in which most kinds of messages come.

use prost::Message;
use std::collections::BTreeMap;
use trygon_proto::control::{
    ActorStarted, Bundle, CreateActor, CreatePlacementGroup, Death, FunctionGet, FunctionPut, GetNamedActor,
    KeyValueRequest, KillActor, RemovePlacementGroup, StateQuery, WatchActor, WatchPlacementGroup,
};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{
    ActorPlaced, ActorRefused, ActorRunning, ActorWaits, AskLeases, BundlesPrepared, CancelAsk, CommitBundles,
    DeclineLeases, DrainNode, EndJob, FromProcess, GiveBackLease, GrantLease, HeadToNode, HeldBundle, HeldLeases,
    IndexedBundle, JobEnded, JobStarted, Load, NodeLeaves, NodeToHead, NodeToNode, NodeView, OwnersGone, PlaceActor,
    PrepareBundles, ProcessEnded, RefuseLeases, RegisterNode, ReleaseGroup, ReserveGroup, StartJob, UnplaceActor, View,
    Waiting, head_to_node, node_to_node,
};

fn cpus(count: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([("CPU".to_owned(), count)])
}

/// A part of an input: its length in one byte, 255 for the rest, and its bytes.
pub(crate) fn part(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 255, "a seed's message of {} bytes", bytes.len());
    [&[bytes.len() as u8], bytes].concat()
}

fn register(address: &str) -> RegisterNode {
    RegisterNode { address: address.to_owned(), resources: cpus(4.0), ..RegisterNode::default() }
}

fn ask(worker: u8, request: Request) -> Body {
    Body::FromProcess(FromProcess { worker_id: vec![worker], job_id: vec![1], request: Some(request) })
}

fn create_actor(number: u8, name: &str) -> Request {
    Request::CreateActor(CreateActor {
        actor_id: vec![number],
        name: name.to_owned(),
        placement_resources: cpus(1.0),
        lifetime_resources: cpus(1.0),
        max_restarts: 1,
        detached: number & 1 == 1,
        ..CreateActor::default()
    })
}

fn create_group(number: u8, strategy: &str) -> Request {
    Request::CreateGroup(CreatePlacementGroup {
        group_id: vec![number],
        strategy: strategy.to_owned(),
        bundles: vec![Bundle { resources: cpus(1.0) }, Bundle { resources: cpus(2.0) }],
        ..CreatePlacementGroup::default()
    })
}

fn key_value(operation: &str) -> Request {
    Request::KeyValue(KeyValueRequest {
        operation: operation.to_owned(),
        key: b"key".to_vec(),
        value: b"value".to_vec(),
        ..KeyValueRequest::default()
    })
}

fn started(number: u8, incarnation: u32) -> Request {
    Request::ActorStarted(ActorStarted { actor_id: vec![number], incarnation, error: Vec::new() })
}

fn placed(number: u8, incarnation: u32, worker: u8) -> Body {
    Body::ActorPlaced(ActorPlaced { actor_id: vec![number], incarnation, worker_id: vec![worker], pid: 7 })
}

fn load(free: f64) -> Body {
    let waiting = Waiting { resources: cpus(9.0), count: 2, name: "f".to_owned(), message: "too large".to_owned() };
    Body::Load(Load { free: cpus(free), waiting: vec![waiting], total: BTreeMap::new() })
}

fn job() -> StartJob {
    StartJob { request_id: 1, driver_id: vec![1], driver_pid: 9, weight: 1.0, ..StartJob::default() }
}

/// What nodes tell the head: the node, and what it says; an empty message is a tick.
fn to_head() -> Vec<(u8, u8, Option<Body>)> {
    let prepared = |ok| Body::BundlesPrepared(BundlesPrepared { group_id: vec![4], attempt: 1, ok, free: cpus(1.0) });
    let death = Some(Death { kind: "exit".to_owned(), ..Death::default() });
    let wanted = GetNamedActor { name: "named".to_owned(), ..GetNamedActor::default() };
    let query = StateQuery { what: "actors".to_owned(), ..StateQuery::default() };
    vec![
        (0, 0, Some(Body::Register(register("a:1")))),
        (1, 0, Some(Body::Register(register("b:1")))),
        (2, 0, Some(Body::Register(register("c:1")))),
        (0, 0, Some(Body::StartJob(job()))),
        (0, 1, Some(load(3.0))),
        (0, 0, Some(ask(1, create_actor(1, "named")))),
        (0, 0, Some(ask(1, create_actor(2, "")))),
        (0, 0, Some(ask(1, Request::WatchActor(WatchActor { actor_id: vec![1], ..WatchActor::default() })))),
        (0, 0, Some(placed(1, 0, 2))),
        (0, 0, Some(ask(2, started(1, 0)))),
        (1, 0, Some(placed(2, 0, 0x12))),
        (0, 0, Some(ask(1, create_group(4, "SPREAD")))),
        (0, 0, Some(ask(1, Request::WatchGroup(WatchPlacementGroup { group_id: vec![4], ..Default::default() })))),
        (0, 0, Some(prepared(true))),
        (1, 0, Some(prepared(true))),
        (2, 0, Some(prepared(false))),
        (0, 1, None),
        (0, 0, Some(ask(1, key_value("put")))),
        (0, 0, Some(ask(1, key_value("list")))),
        (0, 0, Some(ask(1, Request::FunctionPut(FunctionPut { hash: vec![1], body: vec![2] })))),
        (0, 0, Some(ask(1, Request::FunctionGet(FunctionGet { hash: vec![1] })))),
        (0, 0, Some(ask(1, Request::GetNamedActor(wanted)))),
        (0, 0, Some(ask(1, Request::StateQuery(query)))),
        (0, 0, Some(Body::ActorWaits(ActorWaits { actor_id: vec![2], message: "full".to_owned() }))),
        (0, 0, Some(ask(1, Request::KillActor(KillActor { actor_id: vec![1], ..KillActor::default() })))),
        (0, 0, Some(Body::ProcessEnded(ProcessEnded { worker_id: vec![2], death: death.clone() }))),
        (1, 3, Some(Body::Drain(DrainNode { node_id: vec![1], deadline_ms: 5, ..DrainNode::default() }))),
        (0, 0, Some(Body::ActorRefused(ActorRefused { actor_id: vec![2], ..ActorRefused::default() }))),
        (2, 0, Some(Body::Leaves(NodeLeaves { message: "stopped".to_owned() }))),
        (0, 3, None),
    ]
}

fn ends_of_head() -> Vec<(u8, u8, Option<Body>)> {
    let remove = RemovePlacementGroup { group_id: vec![4] };
    let back = RegisterNode {
        known_number: 2,
        actors: vec![ActorPlaced { actor_id: vec![1], incarnation: 0, worker_id: vec![0x12], pid: 3 }],
        bundles: vec![HeldBundle { group_id: vec![4], index: 0, attempt: 1, is_committed: true }],
        processes: vec![vec![0x12]],
        starting: vec![vec![2]],
        jobs: vec![StartJob { job_id: vec![1], ..job() }],
        ..register("b:2")
    };
    vec![
        (1, 3, Some(Body::Register(back))),
        (0, 0, Some(ask(1, Request::RemoveGroup(remove)))),
        (0, 0, Some(Body::EndJob(EndJob { job_id: vec![1], death: None }))),
        (0, 3, None),
    ]
}

fn write_to_head(story: &[(u8, u8, Option<Body>)]) -> Vec<u8> {
    let encoded = |(node, pause, body): &(u8, u8, Option<Body>)| {
        let message = NodeToHead { body: body.clone(), ..NodeToHead::default() }.encode_to_vec();
        [vec![*node, *pause], part(&message)].concat()
    };
    story.iter().flat_map(encoded).collect()
}

/// Seeds of the target `head`.
pub(crate) fn head() -> Vec<(&'static str, Vec<u8>)> {
    let mut story = to_head();
    let first = write_to_head(&story);
    story.truncate(16);
    story.extend(ends_of_head());
    let alone = vec![
        (0, 0, Some(Body::Register(register("")))),
        (0, 0, Some(ask(1, create_actor(1, "")))),
        (0, 0, Some(ask(1, create_group(4, "STRICT_PACK")))),
        (0, 0, Some(placed(1, 0, 2))),
        (0, 0, Some(ask(2, started(1, 0)))),
    ];
    vec![("story", first), ("back", write_to_head(&story)), ("alone", write_to_head(&alone))]
}

fn view() -> head_to_node::Body {
    let node = |number: u8, state: &str| NodeView {
        node_id: vec![number],
        node_number: u32::from(number) + 1,
        state: state.to_owned(),
        total: cpus(4.0),
        free: cpus(4.0),
        ..NodeView::default()
    };
    let nodes = vec![node(0, "alive"), node(1, "alive"), node(2, "draining"), node(3, "dead")];
    head_to_node::Body::View(View { is_whole: true, nodes })
}

fn from_head() -> Vec<head_to_node::Body> {
    use head_to_node::Body;
    let actor = CreateActor { actor_id: vec![1], placement_resources: cpus(1.0), ..CreateActor::default() };
    let bundles =
        vec![IndexedBundle { index: 0, resources: cpus(1.0) }, IndexedBundle { index: 1, resources: cpus(1.0) }];
    let reserve = ReserveGroup { group_id: vec![2], bundles: bundles.clone(), creator: vec![1], ..Default::default() };
    let prepare = PrepareBundles { group_id: vec![3], attempt: 1, bundles, ..PrepareBundles::default() };
    vec![
        Body::JobStarted(JobStarted { job: Some(StartJob { job_id: vec![1], ..job() }) }),
        view(),
        Body::PlaceActor(PlaceActor { actor: Some(actor), creator: vec![1], ..PlaceActor::default() }),
        Body::ActorRunning(ActorRunning { worker_id: vec![1] }),
        Body::UnplaceActor(UnplaceActor { actor_id: vec![1] }),
        Body::ReserveGroup(reserve),
        Body::PrepareBundles(prepare),
        Body::CommitBundles(CommitBundles { group_id: vec![3], attempt: 1 }),
        Body::ReleaseGroup(ReleaseGroup { group_id: vec![3], attempt: 1 }),
        Body::ReleaseGroup(ReleaseGroup { group_id: vec![2], attempt: 0 }),
        Body::JobEnded(JobEnded { job_id: vec![1], lingers: false }),
    ]
}

fn from_node() -> Vec<node_to_node::Body> {
    use node_to_node::Body;
    let ask = AskLeases {
        owner: vec![0x11],
        job_id: vec![1],
        request_id: 1,
        resources: cpus(1.0),
        count: 2,
        may_wait: true,
        ..AskLeases::default()
    };
    let grant = GrantLease { owner: vec![1], request_id: 1, lease_id: 2 << 40, worker_id: vec![0x12], devices: vec![] };
    vec![
        Body::Ask(ask),
        Body::Cancel(CancelAsk { owner: vec![0x11], request_id: 1 }),
        Body::GiveBack(GiveBackLease { owner: vec![0x11], lease_id: 1 << 40, worker_exiting: false }),
        Body::Grant(grant),
        Body::Decline(DeclineLeases { owner: vec![1], request_id: 1, count: 1, free: cpus(1.0) }),
        Body::Refuse(RefuseLeases { owner: vec![1], request_id: 1, ..RefuseLeases::default() }),
        Body::OwnersGone(OwnersGone { owners: vec![vec![0x11]] }),
        Body::Held(HeldLeases { leases: vec![1 << 40] }),
    ]
}

/// Seeds of the target `node`.
pub(crate) fn node() -> Vec<(&'static str, Vec<u8>)> {
    let head = |body: &head_to_node::Body| {
        [vec![2, 0], part(&HeadToNode { body: Some(body.clone()) }.encode_to_vec())].concat()
    };
    let node = |body: &node_to_node::Body| {
        [vec![0x10, 1], part(&NodeToNode { body: Some(body.clone()) }.encode_to_vec())].concat()
    };
    // A worker is ready, asks for three leases of one CPU, and blocks.
    let ready = vec![5, 0, 4];
    let request = vec![13, 0, 7, 1, 8, 3, 0];
    let blocks = vec![13, 0, 0];
    let by_head: Vec<u8> = from_head().iter().flat_map(head).collect();
    let by_node: Vec<u8> = from_node().iter().flat_map(node).collect();
    let begin = [head(&view()), ready, request, blocks].concat();
    vec![("by_head", by_head), ("by_node", [begin.clone(), by_node].concat()), ("by_process", begin)]
}

/// Seeds of the target `cluster_messages`.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let framed = |direction: u8, bytes: Vec<u8>| [vec![direction], bytes].concat();
    let up = to_head().into_iter().chain(ends_of_head());
    let up = up.map(|(_, _, body)| framed(0, NodeToHead { body, ..NodeToHead::default() }.encode_to_vec()));
    let down = from_head().into_iter().map(|body| framed(1, HeadToNode { body: Some(body) }.encode_to_vec()));
    let across = from_node().into_iter().map(|body| framed(2, NodeToNode { body: Some(body) }.encode_to_vec()));
    up.chain(down).chain(across).collect()
}
