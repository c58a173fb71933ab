//! The gRPC service `Leases`: nodes renew theirs, on connections of their own, answered by a thread that touches no disk.
//!
//! What is granted here and who is given up stand in one table behind one lock, so that no lease is granted to a node that is given up at
//! the same moment (NODE-1).

use crate::connection::{Connection, Peer};
use crate::engine::Input;
use crate::head::Head;
use crate::kinds::{start_handshake, start_health};
use crate::lease_book::LeaseBook;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use trygon_ids::NodeId;
use trygon_proto::v1::leases_server::{self, LeasesServer};
use trygon_proto::v1::{LeaseAsk, LeaseGrant};
use trygon_rpc::Identity;

/// Connections that wait for their handshake; further ones are dropped and come again.
const ENTERING: usize = 256;
/// How often, and how long at least, a daemon's port is asked whether somebody listens, after its connection broke.
const PROBE_EVERY: Duration = Duration::from_millis(50);
const PROBES: u32 = 40;
/// How long one answer may take.
const PROBE: Duration = Duration::from_millis(500);
/// Lets the thread go first where many wait for a processor.
const NICE: i32 = -10;

/// A connection on which a node wants to renew its lease.
#[derive(Debug)]
pub(crate) struct Entering {
    pub(crate) socket: OwnedFd,
    pub(crate) source: NodeId,
    pub(crate) identity: Identity,
}

/// Starts the thread that answers nodes. It ends with the process, or when the other end of the channel is gone.
pub(crate) fn start(book: Arc<LeaseBook>) -> io::Result<mpsc::Sender<Entering>> {
    let (sender, entering) = mpsc::channel(ENTERING);
    start_health(async move {
        // Without the right to it, it takes its turn as others do.
        let _ = rustix::process::setpriority_process(None, NICE);
        serve(book, entering).await;
    })?;
    Ok(sender)
}

async fn serve(book: Arc<LeaseBook>, mut entering: mpsc::Receiver<Entering>) {
    let (connections, accepted) = mpsc::channel::<io::Result<Connection>>(ENTERING);
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .serve_with_incoming(LeasesServer::new(Desk { book }), Accepted(accepted));
    let take = async move {
        while let Some(Entering { socket, source, identity }) = entering.recv().await {
            let connections = connections.clone();
            start_handshake(async move {
                if let Ok(connection) = Connection::accept(socket, source, &identity).await {
                    let _ = connections.send(Ok(connection)).await;
                }
            });
        }
    };
    tokio::select! {
        _ = server => {}
        () = take => {}
    }
}

/// Connections that the server takes.
struct Accepted(mpsc::Receiver<io::Result<Connection>>);

impl Stream for Accepted {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

#[derive(Debug)]
struct Desk {
    book: Arc<LeaseBook>,
}

#[tonic::async_trait]
impl leases_server::Leases for Desk {
    type HoldStream = Grants;

    async fn hold(&self, request: Request<Streaming<LeaseAsk>>) -> Result<Response<Grants>, Status> {
        let Some(Peer(node)) = request.extensions().get::<Peer>().copied() else {
            return Err(Status::unauthenticated("the connection says nothing of who is at its other end"));
        };
        Ok(Response::new(Grants { book: self.book.clone(), node, asks: request.into_inner() }))
    }
}

/// The answers to one node.
pub(crate) struct Grants {
    book: Arc<LeaseBook>,
    node: NodeId,
    asks: Streaming<LeaseAsk>,
}

impl Stream for Grants {
    type Item = Result<LeaseGrant, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let asked = match Pin::new(&mut self.asks).poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(asked))) => asked,
            Poll::Ready(_) => return Poll::Ready(None),
        };
        let granted = self.book.with(|presence, now_ms| presence.renew(self.node, now_ms));
        Poll::Ready(Some(match granted {
            Ok(lease_ms) => Ok(LeaseGrant { number: asked.number, lease_ms: u32::try_from(lease_ms).unwrap_or(0) }),
            Err(reason) => Err(Status::failed_precondition(reason)),
        }))
    }
}

/// A node's connection was closed or reset at its other end: asks the machine whether the daemon still listens. If the machine answers that
/// nobody does, the daemon has ended, and its lease need not be waited for.
pub(crate) async fn probe(
    book: Arc<LeaseBook>,
    (node, stream): (NodeId, u64),
    address: String,
    inputs: Sender<Input<Head>>,
) {
    for _ in 0..PROBES {
        let connecting = tokio::time::timeout(PROBE, TcpStream::connect(&address)).await;
        match connecting {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                book.with(|presence, now_ms| presence.ended(node, stream, now_ms));
                let _ = inputs.send(Input::Look);
                return;
            }
            // A machine that says nothing may be cut off.
            Ok(Err(_)) | Err(_) => return,
            // It may be about to end, or lives.
            Ok(Ok(_)) => {}
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
