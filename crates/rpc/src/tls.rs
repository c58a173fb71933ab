//! TLS configurations of a process that has a certificate. TLS 1.3 only, both sides authenticated, no session resumption.

use crate::error::CertificateError;
use crate::names::{Expected, PeerName};
use crate::process_certificate::ProcessCertificate;
use crate::verify::{PROVIDER, Verifier, anchor};
use rustls::client::{ClientConnection, Resumption};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, TrustAnchor};
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, ServerConfig, WantsVerifier};
use std::sync::Arc;

/// A process's certificate, ready for TLS. Made once; a configuration from it costs little, so each connection has its own expectation.
#[derive(Clone)]
pub struct Identity {
    authority: Arc<TrustAnchor<'static>>,
    certificate: Arc<SingleCertAndKey>,
    name: PeerName,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Identity({})", self.name)
    }
}

impl Identity {
    /// Reads the parts of a certificate. Fails when they do not belong together.
    pub fn new(certificate: &ProcessCertificate) -> Result<Self, CertificateError> {
        let name = certificate
            .name()
            .ok_or_else(|| CertificateError::Refused("the certificate has no name of this cluster".to_owned()))?;
        Ok(Self {
            authority: anchor(certificate.authority())?,
            certificate: certified(certificate.chain().to_vec(), certificate)?,
            name,
        })
    }

    /// The name in the own certificate.
    pub fn name(&self) -> PeerName {
        self.name
    }

    /// The configuration of the side that dialled and accepts `expected` only.
    pub fn client_config(&self, expected: Expected) -> Result<ClientConfig, CertificateError> {
        let verifier = Verifier::new(self.authority.clone(), expected);
        let builder = client_builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(finish_client(builder.with_client_cert_resolver(self.certificate.clone())))
    }

    /// The configuration of the side that was dialled and accepts `expected` only.
    pub fn server_config(&self, expected: Expected) -> Result<ServerConfig, CertificateError> {
        let verifier = Verifier::new(self.authority.clone(), expected);
        let builder = server_builder()?.with_client_cert_verifier(Arc::new(verifier));
        Ok(finish_server(builder.with_cert_resolver(self.certificate.clone())))
    }

    /// A new connection of the side that dialled.
    pub fn connect(&self, expected: Expected) -> Result<ClientConnection, CertificateError> {
        Ok(ClientConnection::new(Arc::new(self.client_config(expected)?), any_server_name())?)
    }

    /// A new connection of the side that was dialled.
    pub fn accept(&self, expected: Expected) -> Result<ServerConnection, CertificateError> {
        Ok(ServerConnection::new(Arc::new(self.server_config(expected)?))?)
    }
}

/// The name that is given to rustls, which insists on one. It is not sent, and our own check does not look at it.
pub fn any_server_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())
}

pub(crate) fn client_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, CertificateError> {
    Ok(ClientConfig::builder_with_provider(PROVIDER.clone()).with_protocol_versions(&[&rustls::version::TLS13])?)
}

pub(crate) fn server_builder() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, CertificateError> {
    Ok(ServerConfig::builder_with_provider(PROVIDER.clone()).with_protocol_versions(&[&rustls::version::TLS13])?)
}

/// A resumed session would skip the check of the certificate, whose short life is what revokes it.
pub(crate) fn finish_client(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config
}

pub(crate) fn finish_server(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    config
}

/// The chain that is shown, with the key of its first certificate.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    certificate: &ProcessCertificate,
) -> Result<Arc<SingleCertAndKey>, CertificateError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.private_key_der()));
    let certified = CertifiedKey::new(chain, rustls::crypto::ring::sign::any_ecdsa_type(&key)?);
    certified.keys_match()?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}
