//! The gRPC service `Head`: a stream of each node, both ways. What is said goes to the thread that decides.

use crate::connection::Peer;
use crate::engine::Input;
use crate::head::Head;
use crate::kinds::{start_probe, start_reader};
use crate::lease_book::LeaseBook;
use crate::leases::probe;
use crate::link::{Link, LinkEnd, LinkLimits, Outgoing};
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};
use trygon_ids::NodeId;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{HeadToNode, NodeToHead, RegisterNode, head_server};

/// The version that every node must have too.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long a node may take from the connection to its registration.
const REGISTRATION: Duration = Duration::from_secs(10);
/// What nodes said and nobody took in yet, in bytes: above it nothing more is read from any of them.
const MAX_WAITING_BYTES: u32 = 256 << 20;
/// What a message counts besides its own bytes.
const MESSAGE_BYTES: u32 = 256;
/// The largest message: a function, a class or a value of the key-value store.
pub(crate) const MAX_MESSAGE_BYTES: usize = 512 << 20;

/// The service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    inputs: Sender<Input<Head>>,
    room: Arc<Semaphore>,
    next_stream: Arc<AtomicU64>,
    book: Arc<LeaseBook>,
}

impl Streams {
    /// The service whose nodes' words go in here.
    pub(crate) fn new(inputs: Sender<Input<Head>>, book: Arc<LeaseBook>) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize));
        Self { inputs, room, next_stream: Arc::new(AtomicU64::new(1)), book }
    }

    /// Reads a stream from its registration to its end.
    async fn read(self, node: NodeId, mut inbound: Streaming<NodeToHead>, link: Link<HeadToNode>, mut end: LinkEnd) {
        let register = match tokio::time::timeout(REGISTRATION, inbound.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) | Ok(Err(_)) => return,
            Err(_) => return link.end(Status::deadline_exceeded("the node did not register in time")),
        };
        if let Err(refusal) = check_registration(node, &register) {
            return link.end(refusal);
        }
        let address = address_of(&register);
        let stream = self.next_stream.fetch_add(1, Ordering::Relaxed);
        if self.inputs.send(Input::Opened { node, stream, link, register }).is_err() {
            return;
        }
        let (reason, is_broken) = tokio::select! {
            ended = self.pass_on(node, stream, inbound) => ended,
            () = end.wait() => ("its stream was cut".to_owned(), false),
        };
        // When the thread that decides is gone, so is the process.
        let _ = self.inputs.send(Input::Closed { node, stream, reason });
        if is_broken && !address.is_empty() {
            start_probe(probe(self.book, (node, stream), address, self.inputs));
        }
    }

    /// Passes on what a node says until it ends; says why that was, and whether the connection was closed or reset at the other end.
    async fn pass_on(&self, node: NodeId, stream: u64, mut inbound: Streaming<NodeToHead>) -> (String, bool) {
        loop {
            let event = match inbound.message().await {
                Ok(Some(event)) => event,
                // That is how a connection ends that the service itself gives up.
                Ok(None) => {
                    return (
                        "its stream ended without a farewell, as when it does not answer for 3 s".to_owned(),
                        false,
                    );
                }
                Err(status) => return (format!("its connection broke: {}", status.message()), true),
            };
            let size_bytes = u32::try_from(event.encoded_len()).unwrap_or(u32::MAX).saturating_add(MESSAGE_BYTES);
            let Ok(room) = self.room.clone().acquire_many_owned(size_bytes.min(MAX_WAITING_BYTES)).await else {
                return ("the control service ends".to_owned(), false);
            };
            if self.inputs.send(Input::Said { node, stream, event, room }).is_err() {
                return ("the control service ends".to_owned(), false);
            }
        }
    }
}

#[tonic::async_trait]
impl head_server::Head for Streams {
    type AttachStream = Outgoing<HeadToNode>;

    async fn attach(&self, request: Request<Streaming<NodeToHead>>) -> Result<Response<Self::AttachStream>, Status> {
        let Some(Peer(node)) = request.extensions().get::<Peer>().copied() else {
            return Err(Status::unauthenticated("the connection says nothing of who is at its other end"));
        };
        let (link, outgoing, end) = Link::new(LinkLimits::default());
        // Answered before the registration is read: a client may wait for the answer before it says anything.
        start_reader(self.clone().read(node, request.into_inner(), link, end));
        Ok(Response::new(outgoing))
    }
}

/// The first message must be a registration of the node that the certificate names, by the same version.
fn check_registration(node: NodeId, message: &NodeToHead) -> Result<(), Status> {
    let Some(Body::Register(RegisterNode { node_id, package_version, .. })) = &message.body else {
        return Err(Status::failed_precondition("the first message of a node must be its registration"));
    };
    if node_id != node.as_bytes() {
        return Err(Status::permission_denied("the node registers under the id of another one"));
    }
    if package_version != VERSION {
        return Err(Status::failed_precondition(format!(
            "the node has trygon {package_version}, the head {VERSION}; install one version on all machines"
        )));
    }
    Ok(())
}

/// Where the node's daemon listens.
fn address_of(message: &NodeToHead) -> String {
    match &message.body {
        Some(Body::Register(register)) => register.address.clone(),
        _ => String::new(),
    }
}
