//! The joining machine's side.

use crate::authority::fingerprint;
use crate::dial::dial_any;
use crate::error::CertificateError;
use crate::join::error::JoinError;
use crate::join::messages::{Facts, Refusal, Reply, Request, Versions, proof, receive, send};
use crate::key::ClusterKey;
use crate::names::Expected;
use crate::node_certificate::{IssuedNode, NodeCertificate, NodeKey};
use crate::preamble::{Preamble, Purpose};
use crate::stream::TimedStream;
use crate::tls::{any_server_name, client_builder, finish_client};
use crate::validity::{BACKDATED, unix_s};
use crate::verify::{OtherAuthority, PROVIDER, Verifier, anchor, explain, other};
use prost::Message as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError as TlsCertificateError, ClientConnection, DigitallySignedStruct, OtherError};
use rustls::{SignatureScheme, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::NodeId;

/// Asks the head at `address` (`HOST:PORT`) for a certificate of node `node`, in `patience` at most.
pub fn join(
    address: &str,
    key: &ClusterKey,
    node: NodeId,
    versions: &Versions,
    now: SystemTime,
    patience: Duration,
) -> Result<NodeCertificate, JoinError> {
    let deadline = Instant::now() + patience;
    let node_key = NodeKey::generate()?;
    let preamble = Preamble::between_nodes(Purpose::Join, NodeId::new([0; NodeId::LEN]), node, 0);
    let socket = TcpStream::from(dial_any(address, &preamble, patience)?);
    let config =
        client_builder()?.dangerous().with_custom_certificate_verifier(Arc::new(Pinned(*key.authority_fingerprint())));
    let config = finish_client(config.with_no_client_auth());
    let connection = ClientConnection::new(Arc::new(config), any_server_name()).map_err(CertificateError::from)?;
    let mut stream = StreamOwned::new(connection, TimedStream::new(socket, deadline));
    let facts = Facts {
        node: node.as_bytes().to_vec(),
        public_key: node_key.public_key().to_vec(),
        versions: Some(versions.clone()),
        clock_s: unix_s(now),
    };
    let reply = exchange(&mut stream, key, &facts).map_err(|error| failure(address, error, unix_s(now), patience))?;
    let address = address.to_owned();
    match Refusal::try_from(reply.refusal) {
        Ok(Refusal::None) => {}
        Ok(Refusal::WrongKey) => return Err(JoinError::WrongKey { address }),
        Ok(Refusal::Versions) => {
            let head = Box::new(reply.versions.unwrap_or_default());
            return Err(JoinError::Versions { address, head, own: Box::new(versions.clone()) });
        }
        Ok(Refusal::Clock) => {
            return Err(JoinError::Clock { address, head_s: reply.clock_s, own_s: facts.clock_s });
        }
        Ok(Refusal::Other) => return Err(JoinError::Refused { address, reason: reply.reason }),
        Err(_) => {
            let reason = "it gives a reason that this version does not know; compare the versions of Trygon".to_owned();
            return Err(JoinError::Refused { address, reason });
        }
    }
    let issued = IssuedNode { certificate_der: reply.certificate, authority_der: reply.authority };
    if fingerprint(&CertificateDer::from(issued.authority_der.as_slice())) != *key.authority_fingerprint() {
        return Err(JoinError::OtherCluster { address });
    }
    Ok(node_key.certify(node, &issued)?)
}

fn exchange(
    stream: &mut StreamOwned<ClientConnection, TimedStream>,
    key: &ClusterKey,
    facts: &Facts,
) -> std::io::Result<Reply> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let facts = facts.encode_to_vec();
    let proof = proof(&stream.conn, key, &facts).map_err(std::io::Error::other)?.as_ref().to_vec();
    send(stream, &Request { facts, proof })?;
    receive(stream)
}

/// What went wrong before the head's answer was there.
fn failure(address: &str, error: std::io::Error, own_s: i64, patience: Duration) -> JoinError {
    let address = address.to_owned();
    if error.kind() == std::io::ErrorKind::TimedOut {
        return JoinError::NoAnswer { address, waited: patience };
    }
    match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(cause)) => refused_certificate(address, cause, own_s),
        Some(rustls::Error::InvalidMessage(_)) => {
            JoinError::NotAHead { address, detail: "it does not speak TLS".to_owned() }
        }
        Some(cause) => JoinError::Tls { address, reason: explain(cause) },
        None => {
            let detail = format!("it closed the connection without an answer ({error})");
            JoinError::NotAHead { address, detail }
        }
    }
}

fn refused_certificate(address: String, cause: &TlsCertificateError, own_s: i64) -> JoinError {
    match cause {
        // The head makes the certificate of this service anew for each joining, so its beginning tells the head's clock.
        TlsCertificateError::NotValidYetContext { not_before, .. } => {
            let head_s =
                i64::try_from(not_before.as_secs()).unwrap_or(i64::MAX).saturating_add(BACKDATED.as_secs() as i64);
            JoinError::Clock { address, head_s, own_s }
        }
        TlsCertificateError::ExpiredContext { not_after, .. } => {
            let not_after_s = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
            let head_s = not_after_s.saturating_sub(crate::join::server::SERVICE_LIFETIME.as_secs() as i64);
            JoinError::Clock { address, head_s, own_s }
        }
        TlsCertificateError::Other(OtherError(cause)) if cause.is::<OtherAuthority>() => {
            JoinError::OtherCluster { address }
        }
        cause => {
            let reason = explain(&rustls::Error::InvalidCertificate(cause.clone()));
            JoinError::Tls { address, reason }
        }
    }
}

/// Accepts the control service of the cluster whose authority has this fingerprint. The head shows the authority's certificate, which this side does not have yet.
#[derive(Debug)]
struct Pinned([u8; 32]);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates.iter().find(|certificate| fingerprint(certificate) == self.0);
        let authority = anchor(authority.ok_or_else(|| other(OtherAuthority))?)?;
        Verifier::new(authority, Expected::Control).verify_server_cert(end_entity, &[], name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
