//! TLS on the network thread.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use trygon_rpc::{Expected, Identity, any_server_name, rustls};

/// The dialling side: the other one must be `expected`.
pub(crate) async fn connect(
    stream: TcpStream,
    identity: &Identity,
    expected: Expected,
) -> io::Result<client::TlsStream<TcpStream>> {
    let config = identity.client_config(expected).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(any_server_name(), stream).await.map_err(explained)
}

/// The side that was dialled: the other one must be `expected`.
pub(crate) async fn accept(
    stream: TcpStream,
    identity: &Identity,
    expected: Expected,
) -> io::Result<server::TlsStream<TcpStream>> {
    let config = identity.server_config(expected).map_err(io::Error::other)?;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await.map_err(explained)
}

/// What is wrong with a certificate, in a sentence that says what to do.
fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => io::Error::new(error.kind(), trygon_rpc::explain(inner)),
        None => error,
    }
}
