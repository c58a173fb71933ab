//! Connections to a server: TCP, and TLS over it where the address says https.

use crate::failure::{LinkError, plain};
use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Within this time a connection is there, with its handshake, or it fails.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Makes connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dialer {
    /// Made with the first connection that needs it.
    config: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

impl Dialer {
    fn tls(&self) -> Result<TlsConnector, LinkError> {
        let config = self.config.get_or_init(tls_config).clone();
        config.map(TlsConnector::from).map_err(LinkError::new)
    }

    async fn dial(self, address: Uri) -> Result<Link, LinkError> {
        let host = address.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_secure = address.scheme_str() == Some("https");
        let port = address.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let failed = |reason: String| LinkError::new(format!("no connection to {host}:{port}: {reason}"));
        let connecting = async {
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| failed(plain(&error)))?;
            stream.set_nodelay(true).map_err(|error| failed(plain(&error)))?;
            if !is_secure {
                return Ok(Link::Plain(stream));
            }
            let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
            let stream = self.tls()?.connect(name, stream).await;
            Ok(Link::Secure(Box::new(stream.map_err(|error| failed(plain(&error)))?)))
        };
        let late = || failed(format!("no answer within {} s", CONNECT_LIMIT.as_secs()));
        tokio::time::timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Trusts whom this machine trusts, or what SSL_CERT_FILE names.
fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = found.errors.first().map_or(String::new(), |error| format!(": {error}"));
        return Err(format!(
            "this machine has no certificates of authorities that it trusts{reason}; install ca-certificates, or name a file \
             with SSL_CERT_FILE"
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<Link>;
    type Error = LinkError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Link>, LinkError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let dialing = self.clone().dial(address);
        Box::pin(async move { dialing.await.map(TokioIo::new) })
    }
}

/// A connection.
pub(crate) enum Link {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
