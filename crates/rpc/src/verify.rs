//! Our check of a peer's certificate: its chain ends at the cluster's authority, and its one name is the expected one.
//!
//! The same check serves both sides of a connection, because both show a certificate.

use crate::names::{Expected, PeerName};
use crate::validity::{BACKDATED, utc_text};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use std::sync::{Arc, LazyLock};

/// Every certificate of a cluster is signed so; other algorithms need not be spoken.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ECDSA_P256_SHA256],
    mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[webpki::ring::ECDSA_P256_SHA256])],
};

/// The cryptography of every connection: TLS 1.3 with AES-128-GCM where both sides can.
pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        signature_verification_algorithms: SIGNATURES,
        ..default_provider()
    })
});

/// Checks the other side of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    authority: Arc<TrustAnchor<'static>>,
    expected: Expected,
}

/// The certificate is of this cluster, but of somebody else.
#[derive(Debug)]
pub(crate) struct WrongName {
    expected: Expected,
    presented: Option<PeerName>,
}

impl std::fmt::Display for WrongName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "expected {}, but the other side is ", self.expected)?;
        match self.presented {
            Some(name) => name.fmt(formatter),
            None => formatter.write_str("named otherwise"),
        }
    }
}

impl std::error::Error for WrongName {}

/// The authority is not the one that the cluster's key pins.
#[derive(Debug)]
pub(crate) struct OtherAuthority;

impl std::fmt::Display for OtherAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the other side is the head of another cluster than the one that the cluster key is of")
    }
}

impl std::error::Error for OtherAuthority {}

/// The certificate breaks a rule that is not about time or name.
#[derive(Debug)]
struct BrokenRule(webpki::Error);

impl std::fmt::Display for BrokenRule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for BrokenRule {}

impl Verifier {
    pub(crate) fn new(authority: Arc<TrustAnchor<'static>>, expected: Expected) -> Self {
        Self { authority, expected }
    }

    /// Checks a chain for use by one side.
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: webpki::KeyUsage,
    ) -> Result<(), Error> {
        let certificate = webpki::EndEntityCert::try_from(end_entity).map_err(refusal)?;
        let anchors = std::slice::from_ref(self.authority.as_ref());
        certificate
            .verify_for_usage(SIGNATURES.all, anchors, intermediates, now, usage, None, None)
            .map_err(refusal)?;
        let presented = name_of(&certificate);
        if presented.is_some_and(|name| self.expected.accepts(&name)) {
            return Ok(());
        }
        Err(other(WrongName { expected: self.expected, presented }))
    }
}

/// The name in a certificate. `None` when it has none, several, or one that is not of Trygon.
fn name_of(certificate: &webpki::EndEntityCert<'_>) -> Option<PeerName> {
    let mut names = certificate.valid_dns_names();
    let name = names.next()?;
    if names.next().is_some() { None } else { PeerName::parse(name) }
}

/// Who the other side is, from the certificates that it showed (`peer_certificates` of a connection whose handshake is over).
pub fn peer_name(certificates: &[CertificateDer<'_>]) -> Option<PeerName> {
    let certificate = webpki::EndEntityCert::try_from(certificates.first()?).ok()?;
    name_of(&certificate)
}

/// The anchor of trust that a certificate of an authority stands for.
pub(crate) fn anchor(authority: &CertificateDer<'_>) -> Result<Arc<TrustAnchor<'static>>, Error> {
    webpki::anchor_from_trusted_cert(authority).map(|anchor| Arc::new(anchor.to_owned())).map_err(refusal)
}

pub(crate) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

fn refusal(error: webpki::Error) -> Error {
    Error::InvalidCertificate(match error {
        webpki::Error::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::BadDer | webpki::Error::TrailingData(_) => CertificateError::BadEncoding,
        error => return other(BrokenRule(error)),
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now, webpki::KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &SIGNATURES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A client has one certificate only, so a hint would just be more bytes.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now, webpki::KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &SIGNATURES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.supported_schemes()
    }
}

/// Why TLS failed, as a sentence for a person: what happened, and what to do.
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::AlertReceived(alert) => explain_alert(*alert),
        Error::InvalidMessage(_) => "the other side does not speak TLS; is the address one of this cluster?".to_owned(),
        error => format!("TLS failed: {error}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    let seconds = |time: &UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match error {
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the other side's certificate is not valid yet: this machine's clock says {}, the clock of the machine that made the certificate said about {}. \
             Set both clocks (for example with NTP)",
            utc_text(seconds(time)),
            utc_text(seconds(not_before) + BACKDATED.as_secs() as i64),
        ),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the other side's certificate has ended: this machine's clock says {}, the certificate ended at {} by the clock of the machine that made it. \
             If this machine's clock is right, start the other node again; otherwise set both clocks (for example with NTP)",
            utc_text(seconds(time)),
            utc_text(seconds(not_after)),
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the other side's certificate is of another cluster; check the address".to_owned()
        }
        CertificateError::Other(OtherError(cause)) if cause.is::<WrongName>() || cause.is::<OtherAuthority>() => {
            cause.to_string()
        }
        error => format!("the other side's certificate is refused: {error}"),
    }
}

fn explain_alert(alert: rustls::AlertDescription) -> String {
    use rustls::AlertDescription as Alert;
    match alert {
        Alert::CertificateExpired => {
            "the other side's clock says that this side's certificate is outside of its time; compare the clocks of both machines"
                .to_owned()
        }
        Alert::UnknownCA | Alert::DecryptError => {
            "the other side is of another cluster: it does not know who made this side's certificate".to_owned()
        }
        Alert::CertificateRequired => "the other side asks for a certificate, and this side has none".to_owned(),
        Alert::CertificateUnknown | Alert::BadCertificate => {
            "the other side refused this side's certificate: it expected somebody else".to_owned()
        }
        alert => format!("the other side ended TLS: {alert:?}"),
    }
}

#[cfg(test)]
mod tests;
