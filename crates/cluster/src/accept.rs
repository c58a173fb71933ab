//! Connections that came to this node's port.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_service::Service;
use trygon_ids::NodeId;
use trygon_proto::v1::node_server::NodeServer;
use trygon_rpc::{Expected, JoinTerms, Joined, Preamble, Purpose};

use crate::connection::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::kinds::{start_blocking, start_task};
use crate::message::Incoming;
use crate::options::{JoinDesk, Limits};
use crate::sessions::Sessions;
use crate::shared::Shared;
use crate::tell::Listening;
use crate::tls;

/// Handshakes at a time, and joinings at a time; further connections are dropped and come again.
const HANDSHAKES: usize = 64;
const JOININGS: usize = 4;

/// What is done with connections by purpose.
#[derive(Debug)]
pub(crate) struct Door {
    shared: Arc<Shared>,
    sessions: Arc<Mutex<Sessions>>,
    join_desk: Option<Arc<JoinDesk>>,
    handshakes: Arc<Semaphore>,
    joinings: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(shared: Arc<Shared>, sessions: Arc<Mutex<Sessions>>, join_desk: Option<JoinDesk>) -> Self {
        Self {
            shared,
            sessions,
            join_desk: join_desk.map(Arc::new),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            joinings: Arc::new(Semaphore::new(JOININGS)),
        }
    }

    /// Takes a connection whose preamble was read.
    pub(crate) fn enter(&self, incoming: trygon_rpc::Incoming) {
        match incoming.preamble.purpose {
            Purpose::Node => self.serve_node(incoming.preamble, incoming.socket),
            Purpose::Join => self.serve_join(incoming.socket),
            Purpose::Lease => self.shared.serve_lease(&incoming.preamble, incoming.socket),
            Purpose::Control | Purpose::Peer | Purpose::Object => self.shared.inbox.put(
                Incoming::Accepted {
                    preamble: incoming.preamble,
                    socket: incoming.socket,
                    address: incoming.peer_address,
                },
                0,
            ),
        }
    }

    fn serve_node(&self, preamble: Preamble, socket: OwnedFd) {
        let Ok(permit) = self.handshakes.clone().try_acquire_owned() else { return };
        let (shared, sessions) = (self.shared.clone(), self.sessions.clone());
        start_task(async move {
            let node = NodeId::new(preamble.source);
            let handshake = handshake(&shared, node, socket);
            // Who fails here is told by TLS itself; a stranger learns nothing more.
            let Ok(Ok(stream)) = timeout(shared.limits.connect, handshake).await else { return };
            drop(permit);
            let server = NodeServer::new(Listening { shared: shared.clone(), sessions, node })
                .max_decoding_message_size(shared.limits.message_bytes);
            let service = service_fn(move |request| server.clone().call(request));
            // How a connection ends is seen by the streams on it.
            let _ = http2_server(&shared.limits).serve_connection(TokioIo::new(stream), service).await;
        });
    }

    fn serve_join(&self, socket: OwnedFd) {
        let (Some(desk), Ok(permit)) = (self.join_desk.clone(), self.joinings.clone().try_acquire_owned()) else {
            return;
        };
        let shared = self.shared.clone();
        start_blocking(move || {
            let JoinDesk { authority, key, versions, lifetime } = &*desk;
            let patience = shared.limits.connect;
            let now = SystemTime::now();
            let admit = |joined: &Joined| shared.admit(&joined.node);
            let terms = JoinTerms { key, authority, versions, now, lifetime: *lifetime, patience };
            let joined = trygon_rpc::serve_join(socket, &terms, admit);
            drop(permit);
            shared.inbox.put(Incoming::Joined(joined), 0);
        });
    }
}

async fn handshake(
    shared: &Shared,
    node: NodeId,
    socket: OwnedFd,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let socket = std::net::TcpStream::from(socket);
    socket.set_nonblocking(true)?;
    tls::accept(TcpStream::from_std(socket)?, &shared.identity(), Expected::Node(node)).await
}

fn http2_server(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.dead_after);
    builder
}
