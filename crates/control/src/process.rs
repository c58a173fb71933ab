//! The process `trygon control`: from the socket that its daemon left it, to a service that runs until the daemon ends.

#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod tests;

use crate::connection::Connection;
use crate::engine::{Begin, Engine, Input};
use crate::head::Head;
use crate::journal::{Journal, Limits, Opened};
use crate::kinds::{start_engine, start_handshake};
use crate::lease_book::LeaseBook;
use crate::leases::Entering;
use crate::options::{ControlCertificate, ControlOptions};
use crate::parent::{Failed, FromControl, Ready, ToControl, from_control, receive, send, to_control};
use crate::storage::{StorageError, open};
use crate::streams::{MAX_MESSAGE_BYTES, Streams};
use parking_lot::Mutex;
use prost::Message as _;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::transport::Server;
use trygon_ids::NodeId;
use trygon_proto::v1::head_server::HeadServer;
use trygon_rpc::{Identity, ProcessCertificate};

/// A node that does not answer for these two together is cut off; then its grace begins.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Handshakes at the same time; more of them wait in the daemon's socket.
const MAX_HANDSHAKES: usize = 64;
/// A large function should not need a round trip for each 64 KiB.
const WINDOW_BYTES: u32 = 4 << 20;
/// How long another service may hold the journal that is about to end: longer than `END_PATIENCE`, and shorter than a node's lease, at whose end
/// the node would end this process before it could say why it cannot run.
const PREDECESSOR_LIMIT: Duration = Duration::from_millis(2_400);
/// How long what is being written may take when the daemon is gone.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the control service of the daemon that holds the other end of `socket`, until that end is closed.
///
/// # Errors
/// When the daemon says nothing understandable, or the journal cannot be opened or go on. The daemon has been told then.
pub fn run(socket: OwnedFd) -> io::Result<()> {
    let Some((packet, _)) = receive(socket.as_fd())? else { return Ok(()) };
    let message = ToControl::decode(packet.as_slice()).map_err(io::Error::other)?;
    let Some(to_control::Body::Start(options)) = message.body else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the first message must say what is to be started"));
    };
    let result = start_and_serve(&socket, options);
    if let Err(failed) = result {
        say(&socket, from_control::Body::Failed(failed.clone()));
        return Err(io::Error::other(failed.message));
    }
    Ok(())
}

fn start_and_serve(socket: &OwnedFd, options: ControlOptions) -> Result<(), Failed> {
    let book = Arc::new(LeaseBook::new(options.terms()));
    let begin = Begin { terms: options.terms(), grace: options.restart_grace(), address: options.address.clone() };
    let identity = identity(options.certificate.unwrap_or_default())?;
    let (journal, opened) = open_journal(&options.storage, &options.cluster, Path::new(&options.storage_authority))?;
    report(socket, &journal, &opened);
    let (inputs, received) = channel();
    let engine = Engine::new(journal, book.clone(), begin, |line| eprintln!("trygon control: {line}"));
    let (ended, engine_ended) = oneshot::channel();
    let thread = start_engine(move || {
        let result = engine.run(&received);
        // The main thread is gone only when it does not care any more.
        let _ = ended.send(());
        result
    })?;
    let leases = crate::leases::start(book.clone())?;
    rustix::io::ioctl_fionbio(socket, true).map_err(io::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service = Streams::new(inputs.clone(), book);
    runtime.block_on(serve(socket, service, identity, leases, engine_ended))?;
    let _ = inputs.send(Input::Stop);
    drop(runtime);
    let waits_since = std::time::Instant::now();
    while !thread.is_finished() && waits_since.elapsed() < END_PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    if !thread.is_finished() {
        // The journal cannot be written, and whoever waited for it is gone.
        return Ok(());
    }
    let stopped = || Failed { message: "the thread that decides has panicked".to_owned(), is_final: false };
    Ok(thread.join().map_err(|_| stopped())??)
}

/// Opens the journal. A service whose daemon was killed a moment ago may still hold it.
fn open_journal(storage: &str, cluster: &str, authority: &Path) -> Result<(Journal<Head>, Opened), StorageError> {
    let authority = Some(authority).filter(|path| !path.as_os_str().is_empty());
    let since = std::time::Instant::now();
    loop {
        match Journal::open(Head::new(), open(storage, cluster, authority)?, Limits::default()) {
            Err(StorageError::InUse { .. }) if since.elapsed() < PREDECESSOR_LIMIT => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

/// Serves until the daemon or the thread that decides ends.
async fn serve(
    socket: &OwnedFd,
    service: Streams,
    identity: Identity,
    leases: mpsc::Sender<Entering>,
    engine_ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    let (connections, accepted) = mpsc::channel(MAX_HANDSHAKES);
    let service = HeadServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .serve_with_incoming(service, Accepted(accepted));
    tokio::select! {
        served = server => served.map_err(io::Error::other),
        taken = take_connections(socket, identity, connections, leases) => taken,
        _ = engine_ended => Ok(()),
    }
}

/// Takes what the daemon hands on until it ends.
async fn take_connections(
    socket: &OwnedFd,
    identity: Identity,
    connections: mpsc::Sender<io::Result<Connection>>,
    leases: mpsc::Sender<Entering>,
) -> io::Result<()> {
    // Its successor is unsafe, for types that may give another descriptor each time; an `OwnedFd` does not.
    #[allow(deprecated)]
    let socket = AsyncFd::new(socket.try_clone()?)?;
    let identity = Arc::new(Mutex::new(identity));
    loop {
        let received = socket.async_io(tokio::io::Interest::READABLE, |socket| receive(socket.as_fd())).await?;
        let Some((packet, beside)) = received else { return Ok(()) };
        let message = ToControl::decode(packet.as_slice()).map_err(io::Error::other)?;
        match (message.body, beside) {
            (Some(to_control::Body::Node(source)), Some(connection)) => {
                let Ok(source) = NodeId::from_bytes(&source) else { continue };
                // Room first: whoever does not shake hands keeps others out no longer than a handshake may take.
                let Ok(permit) = connections.clone().reserve_owned().await else { return Ok(()) };
                let identity = identity.lock().clone();
                start_handshake(async move {
                    match Connection::accept(connection, source, &identity).await {
                        Ok(connection) => drop(permit.send(Ok(connection))),
                        Err(error) => eprintln!("trygon control: a connection of node {source} is refused: {error}"),
                    }
                });
            }
            (Some(to_control::Body::Lease(source)), Some(socket)) => {
                let Ok(source) = NodeId::from_bytes(&source) else { continue };
                // Where there is no room, the node comes again.
                let _ = leases.try_send(Entering { socket, source, identity: identity.lock().clone() });
            }
            (Some(to_control::Body::Local(node)), Some(connection)) => {
                let Ok(node) = NodeId::from_bytes(&node) else { continue };
                if connections.send(Ok(Connection::local(connection, node)?)).await.is_err() {
                    return Ok(());
                }
            }
            (Some(to_control::Body::Renew(certificate)), _) => match self::identity(certificate) {
                Ok(renewed) => *identity.lock() = renewed,
                Err(failed) => eprintln!("trygon control: the new certificate is not used: {}", failed.message),
            },
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the daemon does not keep to the protocol")),
        }
    }
}

/// Connections that the server takes. An error of one of them is not the server's.
struct Accepted(mpsc::Receiver<io::Result<Connection>>);

impl Stream for Accepted {
    type Item = io::Result<Connection>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn identity(certificate: ControlCertificate) -> Result<Identity, Failed> {
    Identity::new(&ProcessCertificate::from(certificate))
        .map_err(|error| Failed { message: error.to_string(), is_final: true })
}

fn report(socket: &OwnedFd, journal: &Journal<Head>, opened: &Opened) {
    for warning in &opened.warnings {
        say(socket, from_control::Body::Note(warning.clone()));
    }
    if let Some(cut) = &opened.cut {
        let note = format!(
            "{} ended in {} damaged appends from event {} on, which was not acknowledged; they are left out ({})",
            journal.place(),
            cut.dropped,
            cut.first_index,
            cut.detail
        );
        say(socket, from_control::Body::Note(note));
    }
    let members = crate::machine::Machine::members(journal.machine()).len() as u32;
    say(socket, from_control::Body::Ready(Ready { place: journal.place(), replayed: opened.replayed, members }));
}

/// Tells the daemon. If it is gone, so is the process soon.
fn say(socket: &OwnedFd, body: from_control::Body) {
    let _ = send(socket.as_fd(), &FromControl { body: Some(body) }.encode_to_vec(), None);
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self { message: error.to_string(), is_final: !error.is_temporary() }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { message: error.to_string(), is_final: false }
    }
}
