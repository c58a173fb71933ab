//! What one process is given to show who it is: its chain, its private key and the authority's certificate.

use crate::error::CertificateError;
use crate::names::PeerName;
use crate::validity::{BACKDATED, Validity};
use crate::verify::peer_name;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use ring::rand::SecureRandom as _;
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A certificate of one process with its private key, which is erased from memory when this goes.
#[derive(Clone)]
pub struct ProcessCertificate {
    chain: Vec<CertificateDer<'static>>,
    private_key: Zeroizing<Vec<u8>>,
    authority: CertificateDer<'static>,
}

impl ProcessCertificate {
    /// From the bytes that travelled: the chain (the process's own first), its private key (PKCS 8) and the authority's certificate.
    ///
    /// Nothing is checked yet; `Identity::new` does.
    pub fn from_der(chain: Vec<Vec<u8>>, private_key: Vec<u8>, authority: Vec<u8>) -> Self {
        Self {
            chain: chain.into_iter().map(CertificateDer::from).collect(),
            private_key: Zeroizing::new(private_key),
            authority: CertificateDer::from(authority),
        }
    }

    /// The chain: the process's own certificate first, the authority's left out.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key, PKCS 8. A secret: for the process it is made for, by a channel that nobody else reads.
    pub fn private_key_der(&self) -> &[u8] {
        &self.private_key
    }

    /// The authority's certificate.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// The name in the certificate.
    pub fn name(&self) -> Option<PeerName> {
        peer_name(&self.chain)
    }

    /// From when to when it is valid.
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(self.chain.first()?)
    }
}

impl std::fmt::Debug for ProcessCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "ProcessCertificate({name})"),
            None => formatter.write_str("ProcessCertificate(of no name)"),
        }
    }
}

/// Who makes a certificate, for how long, and what stands above it.
pub(crate) struct Maker<'a> {
    /// The key and name that sign.
    pub issuer: &'a Issuer<'static, KeyPair>,
    /// What stands between the new certificate and the authority.
    pub above: Option<&'a CertificateDer<'static>>,
    /// The authority's certificate.
    pub authority: &'a CertificateDer<'static>,
    /// The last second in which the maker's own certificate is valid.
    pub ends_s: i64,
}

impl Maker<'_> {
    /// Makes a key and a certificate for `name`, both for a side that dials and a side that is dialled.
    pub(crate) fn make(
        &self,
        name: PeerName,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<ProcessCertificate, CertificateError> {
        let key = new_key()?;
        let mut params = params_for(&subject_of(&name), now, lifetime, self.ends_s)?;
        params.subject_alt_names = vec![SanType::DnsName(name.dns().try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, self.issuer)?;
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.above.cloned());
        Ok(ProcessCertificate {
            chain,
            private_key: Zeroizing::new(key.serialize_der()),
            authority: self.authority.clone(),
        })
    }
}

/// A new key pair of the one kind that the cluster uses.
pub(crate) fn new_key() -> Result<KeyPair, CertificateError> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)
}

/// The parameters that all certificates share: who, from an hour ago, for `lifetime` but not longer than until `ends_s`.
pub(crate) fn params_for(
    common_name: &str,
    now: SystemTime,
    lifetime: Duration,
    ends_s: i64,
) -> Result<CertificateParams, CertificateError> {
    let now_s = crate::validity::unix_s(now);
    let lifetime_s = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let not_after_s = now_s.saturating_add(lifetime_s).min(ends_s);
    if not_after_s <= now_s {
        return Err(CertificateError::Refused(format!(
            "no certificate can be made for {common_name}: this machine's clock says {}, and the certificate that would sign it ended at {}. \
             Set the clock, or start this node again",
            crate::validity::utc_text(now_s),
            crate::validity::utc_text(ends_s),
        )));
    }
    let mut serial = [0; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| CertificateError::Crypto("the system gives no random bytes".to_owned()))?;
    // A serial number is positive.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = at(now_s - BACKDATED.as_secs() as i64)?;
    params.not_after = at(not_after_s)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn at(unix_s: i64) -> Result<time::OffsetDateTime, CertificateError> {
    time::OffsetDateTime::from_unix_timestamp(unix_s)
        .map_err(|_| CertificateError::Refused("the lifetime of a certificate goes beyond the year 9999".to_owned()))
}

/// The subject, which is for people who look at a certificate: nothing is decided by it. At most 64 characters, as X.509 asks.
fn subject_of(name: &PeerName) -> String {
    match name {
        PeerName::Control => "control".to_owned(),
        PeerName::Node(node) => node.hex(),
        PeerName::Worker(worker, _) => worker.hex(),
    }
}
