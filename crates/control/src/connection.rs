//! One connection of a node: TLS over TCP, or the daemon's own socket; and who the node is.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use trygon_ids::NodeId;
use trygon_rpc::{Expected, Identity, PeerName};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// HTTP/2, as TLS calls it.
const ALPN: &[u8] = b"h2";

/// A connection, authenticated.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    peer: Peer,
}

/// The node at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) NodeId);

#[derive(Debug)]
enum Transport {
    Tls(Box<TlsStream<TcpStream>>),
    Local(UnixStream),
}

impl Connection {
    /// Speaks TLS on a connection whose preamble named `source`; the certificate must say the same.
    ///
    /// # Errors
    /// When the handshake fails or takes too long.
    pub(crate) async fn accept(socket: OwnedFd, source: NodeId, identity: &Identity) -> io::Result<Self> {
        let mut config = identity.server_config(Expected::Node(source)).map_err(io::Error::other)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        // Small messages both ways: none waits for the acknowledgement of another.
        stream.set_nodelay(true)?;
        let handshake = TlsAcceptor::from(Arc::new(config)).accept(TcpStream::from_std(stream)?);
        let stream = tokio::time::timeout(HANDSHAKE, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let shown = stream.get_ref().1.peer_certificates().and_then(trygon_rpc::peer_name);
        if shown != Some(PeerName::Node(source)) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate is not the node's"));
        }
        Ok(Self { transport: Transport::Tls(Box::new(stream)), peer: Peer(source) })
    }

    /// A socket that the daemon, which is this node, made itself.
    ///
    /// # Errors
    /// When it is no socket that can be waited for.
    pub(crate) fn local(socket: OwnedFd, node: NodeId) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Self { transport: Transport::Local(UnixStream::from_std(stream)?), peer: Peer(node) })
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, out),
            Transport::Local(stream) => Pin::new(stream).poll_read(context, out),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Local(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
            Transport::Local(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Local(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
