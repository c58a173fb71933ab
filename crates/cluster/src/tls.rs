//! TLS on the network thread, and who the other side proved to be.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use trygon_ids::NodeId;
use trygon_rpc::{Expected, Identity, PeerName};

/// The dialling side: the other one must be `expected`.
pub(crate) async fn connect(
    stream: TcpStream,
    identity: &Identity,
    expected: Expected,
) -> io::Result<client::TlsStream<TcpStream>> {
    let config = identity.client_config(expected).map_err(io::Error::other)?;
    // rustls wants a name; it is not sent, and the check of the certificate goes by `expected`.
    let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The side that was dialled by a node; says which one.
pub(crate) async fn accept_node(
    stream: TcpStream,
    identity: &Identity,
) -> io::Result<(NodeId, server::TlsStream<TcpStream>)> {
    let config = identity.server_config(Expected::AnyNode).map_err(io::Error::other)?;
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    match trygon_rpc::peer_name(certificates) {
        Some(PeerName::Node(node)) => Ok((node, stream)),
        _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate is not that of a node")),
    }
}
