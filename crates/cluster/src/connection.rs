//! One connection that this node made to another's port, up to HTTP/2 inside TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, ToSocketAddrs};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};
use tower_service::Service;
use trygon_rpc::{Expected, Preamble};

use crate::codec::EncodedCodec;
use crate::kinds::{GroupExecutor, TaskGroup};
use crate::options::Limits;
use crate::outflow::OutflowStream;
use crate::shared::Shared;

/// Bytes that may be under way on a stream, and on a connection, before the reader takes them.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;

/// A connection to use: requests go in at one end, and the other end must be polled for anything to move.
pub(crate) struct Connection {
    pub(crate) requests: Requests,
    pub(crate) driver: Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>,
    /// What hyper runs beside.
    pub(crate) tasks: TaskGroup,
}

/// Sends requests on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Requests(http2::SendRequest<Body>);

impl Requests {
    /// Opens a stream in both directions.
    pub(crate) async fn stream<Received: Message + Default + 'static>(
        &self,
        path: &'static str,
        request: Request<OutflowStream>,
        message_bytes: usize,
    ) -> Result<Streaming<Received>, Status> {
        // HTTP/2 wants a scheme and a host; the other side looks at neither.
        let origin = Uri::from_static("https://node.trygon");
        let mut grpc = Grpc::with_origin(self.clone(), origin).max_decoding_message_size(message_bytes);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(path);
        Ok(grpc.streaming(request, path, EncodedCodec::default()).await?.into_inner())
    }
}

impl Service<http::Request<Body>> for Requests {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Connects to `address` and says with the preamble what for.
pub(crate) async fn dial(address: impl ToSocketAddrs, preamble: &Preamble, within: Duration) -> io::Result<TcpStream> {
    let connected = async {
        let mut stream = TcpStream::connect(address).await?;
        trygon_rpc::prepare(&stream)?;
        stream.write_all(&preamble.to_bytes()).await?;
        Ok(stream)
    };
    tokio::time::timeout(within, connected)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:?}"))))
}

/// Connects, checks who is there and starts HTTP/2. The error is a sentence for people.
pub(crate) async fn connect(
    shared: &Shared,
    address: &str,
    preamble: &Preamble,
    expected: Expected,
) -> Result<Connection, String> {
    let within = shared.limits.connect;
    let tcp = dial(address, preamble, within).await.map_err(|error| format!("cannot connect to {address}: {error}"))?;
    secure(shared, address, tcp, expected, within).await
}

/// Checks who is at the other end of a connection that was made, and starts HTTP/2. The handshake may take so long.
pub(crate) async fn secure(
    shared: &Shared,
    address: &str,
    tcp: TcpStream,
    expected: Expected,
    within: Duration,
) -> Result<Connection, String> {
    let limits = &shared.limits;
    let refused = |error: &dyn std::fmt::Display| format!("{address} was reached but not accepted: {error}");
    let identity = shared.identity();
    let secured = crate::tls::connect(tcp, &identity, expected);
    let stream = match tokio::time::timeout(within, secured).await {
        Ok(secured) => secured.map_err(|error| refused(&error))?,
        Err(_) => return Err(format!("{address} was reached but does not finish the TLS handshake")),
    };
    let tasks = TaskGroup::default();
    let (requests, driver) =
        client(limits, &tasks).handshake(TokioIo::new(stream)).await.map_err(|error| refused(&error))?;
    Ok(Connection { requests: Requests(requests), driver: Box::pin(driver), tasks })
}

/// Why a connection whose driver is done ended.
pub(crate) fn ended_reason(ended: &Result<(), hyper::Error>) -> String {
    match ended {
        Ok(()) => "it closed the connection".to_owned(),
        Err(error) => match std::error::Error::source(error) {
            Some(source) => format!("the connection broke: {source}"),
            None => format!("the connection broke: {error}"),
        },
    }
}

fn client(limits: &Limits, tasks: &TaskGroup) -> http2::Builder<GroupExecutor> {
    let mut builder = http2::Builder::new(tasks.executor());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.dead_after)
        .keep_alive_while_idle(true);
    builder
}
