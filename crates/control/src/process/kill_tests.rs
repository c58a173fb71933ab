//! `kill -9` of the service at any moment, chosen ones and random ones, while nodes create actors, names, groups and key-value pairs: what
//! was acknowledged is there afterwards, and nothing is there by halves.

use super::tests::{LIFETIME, NODE, Node, VERSION};
use crate::options::{ControlCertificate, ControlOptions};
use crate::parent::{ControlSocket, Report};
use crate::storage::tests::conformance::Random;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_proto::control::{
    Bundle, CreateActor, CreatePlacementGroup, GetNamedActor, KeyValueRequest, RemovePlacementGroup, StateQuery,
};
use trygon_proto::v1::from_process::Request as Asked;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, NodeToHead, RegisterNode, head_to_node};
use trygon_rpc::Authority;

const FAULTS: &str = "TRYGON_TEST_JOURNAL_FAULTS";
const CHILD: &str = "TRYGON_TEST_CONTROL_CHILD";

/// Not a test of its own: the process that the tests below kill.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10).expect("a socket");
    let _ = crate::run(socket);
}

/// The service in a process of its own, with the daemon's end of its socket.
struct Service {
    socket: ControlSocket,
    child: Child,
}

impl Service {
    fn start(folder: &Path, faults: &str) -> Self {
        let now = SystemTime::now();
        let (authority, _) = Authority::open_or_create(&folder.join("keys"), now).expect("an authority");
        let certificate = ControlCertificate::from(&authority.issue_control(now, LIFETIME).expect("a certificate"));
        let (socket, theirs) = ControlSocket::pair().expect("sockets");
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "process::kill_tests::child"])
            .env(CHILD, "1")
            .env(FAULTS, faults)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("room");
        let storage = format!("file:{}", folder.join("control").display());
        let options = ControlOptions { storage, certificate: Some(certificate), ..Default::default() };
        socket.start(options).expect("room");
        Self { socket, child }
    }

    /// Until it serves. False: it was killed before.
    fn is_ready(&self) -> bool {
        let since = Instant::now();
        loop {
            match self.socket.receive() {
                Ok(Some(Report::Ready(_))) => return true,
                Ok(Some(Report::Note(_))) => {}
                Ok(Some(Report::Failed(failed))) => panic!("{}", failed.message),
                Ok(Some(Report::Ended)) | Err(_) => return false,
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(since.elapsed() < Duration::from_secs(20), "it says nothing");
        }
    }

    fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was asked for and not answered, and what must be there.
#[derive(Default)]
struct Model {
    next: u64,
    /// By number: what was said. Said again until it is answered.
    open: BTreeMap<u64, Change>,
    values: BTreeMap<u64, u64>,
    actors: BTreeMap<u64, bool>,
    groups: BTreeMap<u64, bool>,
    acknowledged: usize,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put {
        key: u64,
        value: u64,
    },
    /// Puts what is not there yet: said twice it must not say that it was there.
    PutOnce {
        key: u64,
    },
    Delete {
        key: u64,
    },
    Actor {
        number: u64,
    },
    Group {
        number: u64,
    },
    RemoveGroup {
        number: u64,
    },
}

fn id<const LEN: usize>(number: u64) -> [u8; LEN] {
    let mut bytes = [1; LEN];
    bytes[LEN - 8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn driver() -> WorkerId {
    let mut bytes = [7; WorkerId::LEN];
    bytes[20..].copy_from_slice(&5_u64.to_be_bytes());
    WorkerId::new(bytes)
}

impl Change {
    fn request(self, request_id: u64) -> Asked {
        let call = |operation: &str, key: u64, value: Vec<u8>, overwrite| {
            Asked::KeyValue(KeyValueRequest {
                request_id,
                operation: operation.to_owned(),
                namespace: "n".to_owned(),
                key: key.to_be_bytes().to_vec(),
                value,
                overwrite,
            })
        };
        match self {
            // Some are large.
            Self::Put { key, value } => {
                call("put", key, value.to_be_bytes().repeat(if value % 10 == 0 { 9_000 } else { 1 }), true)
            }
            Self::PutOnce { key } => call("put", key, vec![1; 8], false),
            Self::Delete { key } => call("delete", key, Vec::new(), true),
            Self::Actor { number } => Asked::CreateActor(CreateActor {
                request_id,
                actor_id: id::<{ ActorId::LEN }>(number).to_vec(),
                class_name: "Counter".to_owned(),
                name: format!("actor-{number}"),
                namespace: "n".to_owned(),
                detached: true,
                placement_resources: [("CPU".to_owned(), 1e6)].into(),
                ..CreateActor::default()
            }),
            Self::Group { number } => Asked::CreateGroup(CreatePlacementGroup {
                request_id,
                group_id: id::<{ PlacementGroupId::LEN }>(number).to_vec(),
                name: format!("group-{number}"),
                namespace: "n".to_owned(),
                strategy: "PACK".to_owned(),
                bundles: vec![Bundle { resources: [("CPU".to_owned(), 1e6)].into() }],
                detached: true,
                ..CreatePlacementGroup::default()
            }),
            Self::RemoveGroup { number } => {
                Asked::RemoveGroup(RemovePlacementGroup { group_id: id::<{ PlacementGroupId::LEN }>(number).to_vec() })
            }
        }
    }
}

impl Model {
    fn choose(&mut self, random: &mut Random) -> Change {
        self.next += 1;
        let number = self.next;
        let change = match random.below(8) {
            0 | 1 => Change::Put { key: random.below(40), value: number },
            2 => Change::PutOnce { key: 1_000 + number },
            3 => Change::Delete { key: random.below(40) },
            4 => Change::Actor { number },
            5 if number > 30 => Change::RemoveGroup { number: random.below(number) },
            _ => Change::Group { number },
        };
        self.open.insert(number, change);
        change
    }

    /// Everything up to `number` is kept: it happened, in order.
    fn settle(&mut self, number: u64) {
        while let Some((first, change)) = self.open.first_key_value().map(|(first, change)| (*first, *change)) {
            if first > number {
                return;
            }
            self.open.remove(&first);
            self.acknowledged += 1;
            match change {
                Change::Put { key, value } => _ = self.values.insert(key, value),
                Change::PutOnce { key } => _ = self.values.insert(key, u64::from_be_bytes([1; 8])),
                Change::Delete { key } => _ = self.values.remove(&key),
                Change::Actor { number } => _ = self.actors.insert(number, true),
                Change::Group { number } => _ = self.groups.insert(number, true),
                Change::RemoveGroup { number } => {
                    self.groups.entry(number).and_modify(|is_there| *is_there = false);
                }
            }
        }
    }

    fn message(&self, number: u64, change: Change) -> NodeToHead {
        let done = self.open.first_key_value().map_or(0, |(first, _)| first - 1);
        let worker_id = driver().as_bytes().to_vec();
        let request = FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request: Some(change.request(number)) };
        NodeToHead { number, done, body: Some(Body::FromProcess(request)) }
    }

    /// Registers, says again what is open, goes on, and hears until the service ends, or until so much is acknowledged in all.
    async fn drive(&mut self, service: &Service, random: &mut Random, enough: usize) {
        let until = Instant::now() + Duration::from_secs(3);
        let Ok(mut node) = tokio::time::timeout(Duration::from_secs(5), Node::try_attach(&service.socket, NODE)).await
        else {
            return;
        };
        let Some(node) = &mut node else { return };
        let register = RegisterNode {
            node_id: NODE.as_bytes().to_vec(),
            package_version: VERSION.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            resources: [("CPU".to_owned(), 1.0)].into(),
            processes: vec![driver().as_bytes().to_vec()],
            known_number: u32::from(self.next > 0),
            ..RegisterNode::default()
        };
        let _ = node.says.send(NodeToHead { body: Some(Body::Register(register)), ..NodeToHead::default() });
        for (number, change) in &self.open {
            let _ = node.says.send(self.message(*number, *change));
        }
        while Instant::now() < until && self.acknowledged < enough {
            while self.open.len() < 20 {
                let change = self.choose(random);
                let _ = node.says.send(self.message(self.next, change));
            }
            let Ok(Ok(Some(message))) = tokio::time::timeout(Duration::from_secs(5), node.hears.message()).await else {
                return;
            };
            self.hear(message.body);
        }
    }

    fn hear(&mut self, body: Option<head_to_node::Body>) {
        match body {
            Some(head_to_node::Body::Heard(heard)) => self.settle(heard.number),
            Some(head_to_node::Body::ToProcess(message)) => match message.reply {
                Some(Reply::KeyValue(reply)) => {
                    if let Some(Change::PutOnce { .. }) = self.open.get(&reply.request_id) {
                        assert!(!reply.existed, "HEAR-1: it was not there before it was said, however often that was");
                    }
                }
                Some(Reply::CreateActor(reply)) => assert_eq!(reply.error, "", "HEAR-1"),
                Some(Reply::GroupReply(reply)) => assert_eq!(reply.error, "", "HEAR-1"),
                _ => {}
            },
            _ => {}
        }
    }

    /// Everything that was acknowledged is there. What is open was taken in by now too: the check asks behind it.
    async fn check(&self, service: &Service, from: u64) {
        let mut node = Node::try_attach(&service.socket, NODE).await.expect("it serves");
        let register = RegisterNode {
            node_id: NODE.as_bytes().to_vec(),
            package_version: VERSION.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            processes: vec![driver().as_bytes().to_vec()],
            known_number: 1,
            ..RegisterNode::default()
        };
        node.say(Body::Register(register));
        let open = |is_it: &dyn Fn(&Change) -> bool| self.open.values().any(is_it);
        for (key, value) in self.values.iter().filter(|(key, _)| **key < 1_000 || **key >= 1_000 + from) {
            let found = node.value(*key).await;
            let is_open = open(&|change| match change {
                Change::Put { key: other, .. } | Change::PutOnce { key: other } | Change::Delete { key: other } => {
                    other == key
                }
                _ => false,
            });
            let expected = value.to_be_bytes();
            assert!(is_open || found.starts_with(&expected), "JOURNAL-2: key {key} is {found:?}, not {value}");
            let is_whole = found.len() == 8 || found.len() == 72_000 && found == found[..8].repeat(9_000);
            assert!(is_open || is_whole, "half of key {key}");
        }
        for number in self.actors.keys().filter(|number| **number >= from) {
            assert!(node.is_named(*number).await, "JOURNAL-2: actor {number} is gone");
        }
        let groups = node.groups().await;
        for (number, is_there) in self.groups.iter().filter(|(number, _)| **number >= from) {
            let is_open = open(&|change| matches!(change, Change::RemoveGroup { number: other } if other == number));
            let name = format!("\"group-{number}\"");
            assert!(is_open || *is_there == groups.contains(&name), "JOURNAL-2: group {number}");
        }
    }
}

impl Node {
    async fn ask_for(&mut self, request: Asked) -> Reply {
        let worker_id = driver().as_bytes().to_vec();
        self.say(Body::FromProcess(FromProcess { worker_id, request: Some(request), ..Default::default() }));
        loop {
            if let head_to_node::Body::ToProcess(message) = self.hear().await.expect("no error")
                && let Some(reply) = message.reply
                && !matches!(reply, Reply::ActorUpdate(_) | Reply::GroupUpdate(_))
            {
                return reply;
            }
        }
    }

    async fn value(&mut self, key: u64) -> Vec<u8> {
        let call = KeyValueRequest {
            operation: "get".to_owned(),
            namespace: "n".to_owned(),
            key: key.to_be_bytes().to_vec(),
            ..Default::default()
        };
        match self.ask_for(Asked::KeyValue(call)).await {
            Reply::KeyValue(reply) => reply.value,
            other => panic!("{other:?}"),
        }
    }

    async fn is_named(&mut self, number: u64) -> bool {
        let (name, namespace) = (format!("actor-{number}"), "n".to_owned());
        match self.ask_for(Asked::GetNamedActor(GetNamedActor { request_id: 1, name, namespace })).await {
            Reply::NamedActor(found) => found.actor_id == id::<{ ActorId::LEN }>(number),
            other => panic!("{other:?}"),
        }
    }

    /// The table of groups that live, as JSON.
    async fn groups(&mut self) -> String {
        let (what, argument) = ("placement_groups".to_owned(), String::new());
        match self.ask_for(Asked::StateQuery(StateQuery { request_id: 1, what, argument })).await {
            Reply::State(reply) => {
                let living = |text: &&str| !text.contains("REMOVED");
                reply.json.split("},").filter(living).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

const POINTS: [&str; 4] = ["before-write", "half-write", "before-sync", "after-sync"];

async fn rounds(count: u64, seed: u64, faults: impl Fn(u64, &mut Random) -> String) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut model, mut random, mut kills) = (Model::default(), Random(seed), 0);
    for round in 0..count {
        let words = faults(round, &mut random);
        let service = Service::start(folder.path(), &words);
        let enough = if words.is_empty() { model.acknowledged + 20 + random.below(150) as usize } else { usize::MAX };
        if service.is_ready() {
            model.drive(&service, &mut random, enough).await;
        }
        service.kill();
        kills += 1;
        let service = Service::start(folder.path(), "");
        assert!(service.is_ready());
        // The old ones once, at the end.
        let from = if round + 1 == count { 0 } else { model.next.saturating_sub(200) };
        model.check(&service, from).await;
        service.kill();
    }
    println!("{kills} kills, {} changes acknowledged, none missing", model.acknowledged);
    assert!(model.acknowledged > 10 * count as usize, "{} acknowledged", model.acknowledged);
}

#[tokio::test]
async fn killed_at_every_point_of_a_write_nothing_acknowledged_is_missing() {
    rounds(16, 1, |round, random| format!("{}:{}", POINTS[round as usize % 4], 2 + random.below(60))).await;
}

#[tokio::test]
async fn killed_at_random_nothing_acknowledged_is_missing() {
    rounds(12, 2, |_, _| String::new()).await;
}
