//! The whole service over sockets: a node registers, keeps something, and finds it after a restart.

use crate::options::{ControlCertificate, ControlOptions};
use crate::parent::{ControlSocket, Report};
use hyper_util::rt::TokioIo;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::transport::{Endpoint, Uri};
use tonic::{Code, Status, Streaming};
use trygon_ids::{NodeId, WorkerId};
use trygon_proto::control::{KeyValueReply, KeyValueRequest};
use trygon_proto::v1::from_process::Request as Asked;
use trygon_proto::v1::head_client::HeadClient;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead, RegisterNode, head_to_node, to_process};
use trygon_rpc::Authority;

pub(super) const NODE: NodeId = NodeId::new([7; 28]);
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// A control service in a thread, with the daemon's end of its socket.
struct Control {
    socket: ControlSocket,
    thread: JoinHandle<io::Result<()>>,
}

impl Control {
    fn start(folder: &Path) -> Self {
        let now = SystemTime::now();
        let (authority, _) = Authority::open_or_create(&folder.join("keys"), now).expect("an authority");
        let certificate = ControlCertificate::from(&authority.issue_control(now, LIFETIME).expect("a certificate"));
        let (socket, theirs) = ControlSocket::pair().expect("sockets");
        let storage = format!("file:{}", folder.join("control").display());
        let options = ControlOptions { storage, certificate: Some(certificate), ..Default::default() };
        socket.start(options).expect("room");
        Self { socket, thread: std::thread::spawn(move || crate::run(theirs)) }
    }

    fn report(&self) -> Report {
        let since = Instant::now();
        loop {
            if let Some(report) = self.socket.receive().expect("it keeps to the protocol") {
                return report;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "it says nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) {
        drop(self.socket);
        self.thread.join().expect("no panic").expect("a good end");
    }
}

/// What a node says.
pub(super) struct Said(mpsc::UnboundedReceiver<NodeToHead>);

impl Stream for Said {
    type Item = NodeToHead;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<NodeToHead>> {
        self.0.poll_recv(context)
    }
}

pub(super) struct Node {
    pub(super) says: mpsc::UnboundedSender<NodeToHead>,
    pub(super) hears: Streaming<HeadToNode>,
}

impl Node {
    /// Opens a stream as `node`, by the daemon's own socket.
    async fn attach(control: &Control, node: NodeId) -> Self {
        Self::try_attach(&control.socket, node).await.expect("it accepts")
    }

    /// The same with a service that may end at any moment.
    pub(super) async fn try_attach(socket: &ControlSocket, node: NodeId) -> Option<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("sockets");
        socket.pass_local(node, &OwnedFd::from(theirs)).ok()?;
        ours.set_nonblocking(true).expect("ours");
        let mut ours = Some(TokioIo::new(UnixStream::from_std(ours).expect("ours")));
        let connector = tower::service_fn(move |_: Uri| {
            std::future::ready(ours.take().ok_or_else(|| io::Error::other("connected once")))
        });
        let endpoint = Endpoint::from_static("http://control");
        let channel = endpoint.connect_with_connector(connector).await.ok()?;
        let (says, said) = mpsc::unbounded_channel();
        let hears = HeadClient::new(channel).attach(Said(said)).await.ok()?.into_inner();
        Some(Self { says, hears })
    }

    pub(super) fn say(&self, body: Body) {
        self.says.send(NodeToHead { body: Some(body), ..NodeToHead::default() }).expect("it listens");
    }

    fn register(&self, node: NodeId, version: &str) {
        let node_id = node.as_bytes().to_vec();
        let package_version = version.to_owned();
        let address = "127.0.0.1:1".to_owned();
        self.say(Body::Register(RegisterNode { node_id, package_version, address, ..Default::default() }));
    }

    pub(super) async fn hear(&mut self) -> Result<head_to_node::Body, Status> {
        let heard =
            tokio::time::timeout(Duration::from_secs(20), self.hears.message()).await.expect("an answer in time");
        Ok(heard?.expect("not the end").body.expect("a kind"))
    }

    async fn key_value(&mut self, operation: &str, number: u64) -> KeyValueReply {
        self.ask(operation, number);
        self.key_value_reply().await
    }

    fn ask(&self, operation: &str, number: u64) {
        let call = KeyValueRequest {
            request_id: number,
            operation: operation.to_owned(),
            key: number.to_le_bytes().to_vec(),
            value: number.to_string().into_bytes(),
            overwrite: true,
            ..Default::default()
        };
        let worker_id = WorkerId::nil().as_bytes().to_vec();
        self.say(Body::FromProcess(FromProcess {
            worker_id,
            request: Some(Asked::KeyValue(call)),
            ..Default::default()
        }));
    }

    async fn key_value_reply(&mut self) -> KeyValueReply {
        loop {
            if let head_to_node::Body::ToProcess(message) = self.hear().await.expect("no error")
                && let Some(to_process::Reply::KeyValue(reply)) = message.reply
            {
                return reply;
            }
        }
    }
}

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = Control::start(folder.path());
    assert!(matches!(control.report(), Report::Ready(ready) if ready.replayed == 0 && ready.members == 0));
    let mut node = Node::attach(&control, NODE).await;
    node.register(NODE, VERSION);
    let first = node.hear().await.expect("registered");
    let head_to_node::Body::Registered(registered) = first else { panic!("STREAM-2: {first:?} comes first") };
    node.key_value("put", 5).await;
    let since = Instant::now();
    for number in 0..4_000 {
        node.ask("put", number);
    }
    for number in 0..4_000 {
        assert_eq!(node.key_value_reply().await.request_id, number, "STREAM-2: in order");
    }
    println!("{:.0} acknowledged events a second", 4_000.0 / since.elapsed().as_secs_f64());
    drop(node);
    control.stop();

    let control = Control::start(folder.path());
    let report = control.report();
    assert!(matches!(&report, Report::Ready(ready) if ready.replayed > 4_000 && ready.members == 1), "{report:?}");
    let mut node = Node::attach(&control, NODE).await;
    node.register(NODE, VERSION);
    let again = node.hear().await.expect("registered");
    let head_to_node::Body::Registered(again) = again else { panic!("STREAM-2: {again:?} comes first") };
    assert_eq!(again.node_number, registered.node_number, "a node keeps its number");
    assert_eq!(node.key_value("get", 3_999).await.value, b"3999", "JOURNAL-2");
    control.stop();
}

#[tokio::test]
async fn a_second_stream_takes_the_place_of_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = Control::start(folder.path());
    let mut first = Node::attach(&control, NODE).await;
    first.register(NODE, VERSION);
    first.hear().await.expect("registered");
    let mut second = Node::attach(&control, NODE).await;
    second.register(NODE, VERSION);
    second.hear().await.expect("registered");
    let end = loop {
        if let Err(status) = first.hear().await {
            break status;
        }
    };
    assert_eq!(end.code(), Code::Aborted, "STREAM-1: {end}");
    assert_eq!(second.key_value("put", 1).await.request_id, 1);
    control.stop();
}

#[tokio::test]
async fn a_wrong_registration_is_refused_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = Control::start(folder.path());
    let mut other_version = Node::attach(&control, NODE).await;
    other_version.register(NODE, "0.0.1");
    let refusal = other_version.hear().await.expect_err("another version");
    assert!(refusal.message().contains("0.0.1") && refusal.message().contains(VERSION), "{refusal}");
    let mut other_node = Node::attach(&control, NODE).await;
    other_node.register(NodeId::new([8; 28]), VERSION);
    assert_eq!(other_node.hear().await.expect_err("another node").code(), Code::PermissionDenied);
    let mut rude = Node::attach(&control, NODE).await;
    rude.ask("get", 1);
    assert_eq!(rude.hear().await.expect_err("no registration").code(), Code::FailedPrecondition);
    control.stop();
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_is_told_to_the_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("control"), b"a file").expect("ours");
    let control = Control::start(folder.path());
    let report = control.report();
    assert!(
        matches!(&report, Report::Failed(failed) if failed.is_final && failed.message.contains("control")),
        "{report:?}"
    );
    assert!(control.thread.join().expect("no panic").is_err());
}
