//! A head that registers whoever comes, and answers the end of a job with the news of it.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;
use trygon_proto::v1::head_server::{Head, HeadServer};
use trygon_proto::v1::{HeadToNode, JobEnded, NodeToHead, Registered, head_to_node, node_to_head};
use trygon_rpc::{Authority, Expected, Identity, PROCESS_LIFETIME};

/// A control service on a thread of its own. Dropping it ends all its connections.
pub(crate) struct TestHead {
    sockets: Option<mpsc::UnboundedSender<OwnedFd>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub(crate) registrations: Arc<AtomicU64>,
}

impl TestHead {
    pub(crate) fn start(authority: &Authority) -> Self {
        let identity = Identity::new(&authority.issue_control(SystemTime::now(), PROCESS_LIFETIME).unwrap()).unwrap();
        let registrations = Arc::new(AtomicU64::new(0));
        let (sockets, mut accepted) = mpsc::unbounded_channel::<OwnedFd>();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let service = Registering { registrations: registrations.clone() };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let accepting = async {
                    while let Some(socket) = accepted.recv().await {
                        tokio::spawn(serve(socket, identity.clone(), service.clone()));
                    }
                };
                tokio::select! { () = accepting => {}, _ = stopped => {} }
            });
        });
        Self { sockets: Some(sockets), stop: Some(stop), thread: Some(thread), registrations }
    }

    /// Gives it a connection, as its daemon does.
    pub(crate) fn accept(&self, socket: OwnedFd) {
        let _ = self.sockets.as_ref().unwrap().send(socket);
    }
}

impl Drop for TestHead {
    fn drop(&mut self) {
        self.stop = None;
        self.sockets = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(socket: OwnedFd, identity: Identity, service: Registering) {
    let socket = TcpStream::from(socket);
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(Expected::AnyNode).unwrap()));
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let server = HeadServer::new(service);
    let service = service_fn(move |request| server.clone().call(request));
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

#[derive(Clone)]
struct Registering {
    registrations: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Head for Registering {
    type AttachStream = ReceiverStream<Result<HeadToNode, Status>>;

    async fn attach(&self, request: Request<Streaming<NodeToHead>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut stream = request.into_inner();
        let first = stream.message().await?.and_then(|message| message.body);
        let Some(node_to_head::Body::Register(register)) = first else {
            return Err(Status::failed_precondition("the first message is no registration"));
        };
        if register.package_version == "refused" {
            return Err(Status::permission_denied("this version is not taken"));
        }
        self.registrations.fetch_add(1, Ordering::SeqCst);
        let (replies, reply_stream) = mpsc::channel(16);
        let reply = |body| Ok(HeadToNode { body: Some(body) });
        let registered =
            Registered { node_number: 1, package_version: register.package_version, ..Registered::default() };
        replies.send(reply(head_to_node::Body::Registered(registered))).await.unwrap();
        tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                if let Some(node_to_head::Body::EndJob(end)) = message.body {
                    let ended = JobEnded { job_id: end.job_id, lingers: false };
                    if replies.send(reply(head_to_node::Body::JobEnded(ended))).await.is_err() {
                        break;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(reply_stream)))
    }
}
