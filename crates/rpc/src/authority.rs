//! The cluster's authority: made once by the head, kept in files that only its owner reads, root of every certificate of the cluster.

use crate::error::CertificateError;
use crate::files::{ReadError, make_private_folder, read_private, write_private};
use crate::key::ClusterKey;
use crate::names::PeerName;
use crate::node_certificate::{IssuedNode, NodeCertificate, NodeKey, node_params};
use crate::process_certificate::{Maker, ProcessCertificate, new_key, params_for};
use crate::validity::Validity;
use rcgen::{CertificateParams, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::time::{Duration, SystemTime};
use trygon_ids::NodeId;
use zeroize::Zeroizing;

const KEY_FILE: &str = "authority.key";
const CERTIFICATE_FILE: &str = "authority.crt";
const CLUSTER_KEY_FILE: &str = "cluster.key";
const SUBJECT: &str = "trygon authority";

/// Longer than a cluster lives: every machine pins this certificate, so it cannot be exchanged in a running cluster.
const LIFETIME: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Makes the certificates of nodes and of the control service.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    ends_s: i64,
}

/// The public half of a node's key, as rcgen wants to see it.
struct PublicPoint<'a>(&'a [u8]);

impl rcgen::PublicKeyData for PublicPoint<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// A new authority that is in no file.
    pub fn create(now: SystemTime) -> Result<Self, CertificateError> {
        Self::make(now, new_key()?)
    }

    /// The authority and the cluster's key of a folder. What is not there yet is made: a folder of mode 0700, files of mode 0600.
    ///
    /// The same folder gives the same authority and key after a restart. A removed `cluster.key` is made anew with another secret, which is
    /// how the secret is changed; nodes that have joined stay.
    pub fn open_or_create(folder: &Path, now: SystemTime) -> Result<(Self, ClusterKey), CertificateError> {
        make_private_folder(folder).map_err(|error| CertificateError::File { path: folder.to_owned(), error })?;
        let authority = match Self::open(folder)? {
            Some(authority) => authority,
            // Nothing is replaced that a key file out there may be pinned to.
            None if folder.join(CLUSTER_KEY_FILE).exists() => {
                return Err(CertificateError::Refused(format!(
                    "{} has a cluster key but not its authority ({KEY_FILE}, {CERTIFICATE_FILE}). \
                     Put them back, or remove {CLUSTER_KEY_FILE} to begin a new cluster, whose key every node must get again",
                    folder.display()
                )));
            }
            None => {
                let authority = Self::create(now)?;
                authority.write(folder)?;
                authority
            }
        };
        let path = folder.join(CLUSTER_KEY_FILE);
        let key = if path.exists() {
            ClusterKey::from_file(&path)?
        } else {
            let key = ClusterKey::generate(authority.fingerprint())?;
            key.write_file(&path)?;
            key
        };
        if *key.authority_fingerprint() != authority.fingerprint() {
            return Err(CertificateError::Refused(format!(
                "{} is the key of another authority than the one in {}. Use a folder of its own for each cluster, or remove the key file",
                path.display(),
                folder.display()
            )));
        }
        Ok((authority, key))
    }

    /// SHA-256 of the authority's certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.certificate)
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Makes key and certificate of a node in this process: the head's own.
    pub fn issue_node(
        &self,
        node: NodeId,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<NodeCertificate, CertificateError> {
        let key = NodeKey::generate()?;
        let issued = self.issue_for(node, key.public_key(), now, lifetime)?;
        key.certify(node, &issued)
    }

    /// Makes the certificate for a node's public key (`NodeKey::public_key`), at its joining and at each renewal.
    ///
    /// The caller knows that the key is that node's: from the proof of the joining, or from the authenticated connection of the renewal.
    pub fn issue_for(
        &self,
        node: NodeId,
        public_key: &[u8],
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<IssuedNode, CertificateError> {
        // An uncompressed point: the tag 4, x and y.
        if public_key.len() != 65 || public_key[0] != 4 {
            return Err(CertificateError::Refused(format!("the public key of node {node} is not a point of P-256")));
        }
        let params = node_params(&node, now, lifetime, self.ends_s)?;
        let certificate = params.signed_by(&PublicPoint(public_key), &self.issuer)?;
        Ok(IssuedNode { certificate_der: certificate.der().to_vec(), authority_der: self.certificate.to_vec() })
    }

    /// Makes the certificate of the control service. No node can make one: its name is outside of every node's domain.
    pub fn issue_control(&self, now: SystemTime, lifetime: Duration) -> Result<ProcessCertificate, CertificateError> {
        let maker = Maker { issuer: &self.issuer, above: None, authority: &self.certificate, ends_s: self.ends_s };
        maker.make(PeerName::Control, now, lifetime)
    }

    fn make(now: SystemTime, key: KeyPair) -> Result<Self, CertificateError> {
        let mut params = params_for(SUBJECT, now, LIFETIME, i64::MAX)?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Self::from_parts(certificate, key)
    }

    fn from_parts(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, CertificateError> {
        let validity = Validity::of(&certificate)
            .ok_or_else(|| CertificateError::Refused(format!("{CERTIFICATE_FILE} holds no certificate")))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: Issuer::new(params, key), certificate, ends_s: validity.not_after_s })
    }

    /// Reads the files; `None` when neither is there or only the key, which is written first.
    fn open(folder: &Path) -> Result<Option<Self>, CertificateError> {
        let Some(certificate) = read(&folder.join(CERTIFICATE_FILE))? else { return Ok(None) };
        let path = folder.join(KEY_FILE);
        let Some(key) = read(&path)? else {
            return Err(CertificateError::Refused(format!(
                "{} is missing, while {CERTIFICATE_FILE} is there. Put it back, or remove the folder to begin a new cluster",
                path.display()
            )));
        };
        let key = Zeroizing::new(key);
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.as_slice()))
            .map_err(|error| CertificateError::Refused(format!("{} holds no private key: {error}", path.display())))?;
        let authority = Self::from_parts(CertificateDer::from(certificate), key)?;
        // A key that does not fit the certificate would make certificates that nobody accepts.
        authority.issue_node(NodeId::new([0; NodeId::LEN]), SystemTime::now(), Duration::from_secs(60)).map_err(
            |_| CertificateError::Refused(format!("{} is not the key of {CERTIFICATE_FILE} beside it", path.display())),
        )?;
        Ok(Some(authority))
    }

    /// The key first: a certificate without it would be useless, and is what `open` looks for.
    fn write(&self, folder: &Path) -> Result<(), CertificateError> {
        let key = Zeroizing::new(self.issuer.key().serialize_der());
        for (name, bytes) in [(KEY_FILE, key.as_slice()), (CERTIFICATE_FILE, self.certificate.as_ref())] {
            let path = folder.join(name);
            write_private(&path, bytes).map_err(|error| CertificateError::File { path, error })?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Authority({})", crate::names::hex(&self.fingerprint()[..8]))
    }
}

/// SHA-256 of a certificate.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref());
    bytes
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CertificateError> {
    match read_private(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(ReadError::Io(error)) => Err(CertificateError::File { path: path.to_owned(), error }),
        Err(ReadError::Exposed(mode)) => Err(CertificateError::Refused(format!(
            "{} may be read by others (mode {mode:04o}), so it is not used; run: chmod 600 {}",
            path.display(),
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests;
