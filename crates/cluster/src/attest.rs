//! On the head's machine, while the control service does not run: its daemon renews leases in its place.
//!
//! It may: nobody is given up before a control service runs again, and that one first waits for much longer than a lease. So what runs on
//! the nodes goes on, however long the control service is away.

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;
use trygon_ids::NodeId;
use trygon_proto::v1::leases_server::{Leases, LeasesServer};
use trygon_proto::v1::{LeaseAsk, LeaseGrant};
use trygon_rpc::{Expected, Identity, Preamble};

use crate::kinds::start_task;
use crate::options::{LeaseDesk, Limits};
use crate::tls;

/// As the control service grants it.
const LEASE_MS: u32 = 3_000;

/// Renews leases until this is dropped.
#[derive(Debug)]
pub struct Attesting {
    is_over: Arc<AtomicBool>,
}

impl Drop for Attesting {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// A desk that renews leases itself, showing the control service's certificate, until the other thing is dropped.
pub fn attest(identity: Identity, limits: Limits) -> (LeaseDesk, Attesting) {
    let is_over = Arc::new(AtomicBool::new(false));
    let attesting = Attesting { is_over: is_over.clone() };
    let desk = move |preamble: &Preamble, socket: OwnedFd| {
        let (node, identity, is_over) = (NodeId::new(preamble.source), identity.clone(), is_over.clone());
        let patience = limits.connect;
        start_task(async move {
            let accepting = accept(socket, &identity, node);
            let Ok(Ok(stream)) = timeout(patience, accepting).await else { return };
            let server = LeasesServer::new(Desk { is_over });
            let service = service_fn(move |request| server.clone().call(request));
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            // How a connection ends is seen at the other end.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    };
    (Box::new(desk), attesting)
}

async fn accept(
    socket: OwnedFd,
    identity: &Identity,
    node: NodeId,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let socket = std::net::TcpStream::from(socket);
    socket.set_nonblocking(true)?;
    tls::accept(TcpStream::from_std(socket)?, identity, Expected::Node(node)).await
}

#[derive(Debug, Clone)]
struct Desk {
    is_over: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl Leases for Desk {
    type HoldStream = Grants;

    async fn hold(&self, request: Request<Streaming<LeaseAsk>>) -> Result<Response<Grants>, Status> {
        Ok(Response::new(Grants { is_over: self.is_over.clone(), asks: request.into_inner() }))
    }
}

/// The answers to one node. They end when the control service is back: then the node asks that.
struct Grants {
    is_over: Arc<AtomicBool>,
    asks: Streaming<LeaseAsk>,
}

impl Stream for Grants {
    type Item = Result<LeaseGrant, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(asked) = Pin::new(&mut self.asks).poll_next(context) else { return Poll::Pending };
        match asked {
            Some(Ok(asked)) if !self.is_over.load(Ordering::Acquire) => {
                Poll::Ready(Some(Ok(LeaseGrant { number: asked.number, lease_ms: LEASE_MS })))
            }
            _ => Poll::Ready(None),
        }
    }
}
