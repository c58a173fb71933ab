//! A node's certificate: signed by the authority, and able to sign for the processes of that node, and for nobody else.

use crate::error::CertificateError;
use crate::names::{Expected, PeerName, is_process_of};
use crate::process_certificate::{Maker, ProcessCertificate, new_key, params_for};
use crate::validity::Validity;
use crate::verify::{Verifier, anchor};
use rcgen::{CertificateParams, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;
use std::time::{Duration, SystemTime};
use trygon_ids::{JobId, NodeId, WorkerId};

/// A node's certificate as it travels from the head to the node. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedNode {
    /// The node's certificate, DER.
    pub certificate_der: Vec<u8>,
    /// The authority's certificate, DER.
    pub authority_der: Vec<u8>,
}

/// A node's key before it has a certificate. The key never leaves the node; only its public half travels.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// A new random key.
    pub fn generate() -> Result<Self, CertificateError> {
        new_key().map(Self)
    }

    /// The public half, to be sent to the head: a point of P-256, 65 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    /// Joins the key with the certificate that the head made for it. Fails when one does not fit the other.
    pub fn certify(self, node: NodeId, issued: &IssuedNode) -> Result<NodeCertificate, CertificateError> {
        let certificate = CertificateDer::from(issued.certificate_der.clone());
        let validity = Validity::of(&certificate)
            .ok_or_else(|| CertificateError::Refused("the head's answer holds no certificate".to_owned()))?;
        let certificate = NodeCertificate {
            node,
            issuer: Issuer::new(issuer_params(&node), self.0),
            certificate,
            authority: CertificateDer::from(issued.authority_der.clone()),
            validity,
        };
        certificate.prove()?;
        Ok(certificate)
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NodeKey(not shown)")
    }
}

/// What makes a daemon a member of the cluster: it makes the certificates of its node's processes with it.
pub struct NodeCertificate {
    node: NodeId,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    validity: Validity,
}

impl NodeCertificate {
    /// The node it is for.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// From when to when it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether a new one should be asked of the head: less than a third of its life is left.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        self.validity.needs_renewal(now)
    }

    /// The certificate of the cluster's authority.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// Makes a certificate for a driver or worker process of this node, with a key of its own. It ends with this certificate at the latest.
    ///
    /// Fails when the process's id is not of this node.
    pub fn issue_process(
        &self,
        worker: WorkerId,
        job: JobId,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<ProcessCertificate, CertificateError> {
        if !is_process_of(&worker, &self.node) {
            return Err(CertificateError::Refused(format!(
                "node {} makes certificates for its own processes only, and {worker} is of another node",
                self.node
            )));
        }
        self.maker().make(PeerName::Worker(worker, job), now, lifetime)
    }

    /// Makes a certificate for the daemon itself, for TLS with the control service and other nodes.
    pub fn issue_service(&self, now: SystemTime, lifetime: Duration) -> Result<ProcessCertificate, CertificateError> {
        self.maker().make(PeerName::Node(self.node), now, lifetime)
    }

    fn maker(&self) -> Maker<'_> {
        Maker {
            issuer: &self.issuer,
            above: Some(&self.certificate),
            authority: &self.authority,
            ends_s: self.validity.not_after_s,
        }
    }

    /// Makes one certificate and checks it as a peer would, so that a mistaken answer of a head shows at once and not at the first connection.
    fn prove(&self) -> Result<(), CertificateError> {
        // By the maker's clock: a difference of clocks is found, and named, where a certificate is used.
        let begins_s = u64::try_from(self.validity.not_before_s).unwrap_or(0);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(begins_s) + crate::validity::BACKDATED;
        let sample = self.issue_service(now, Duration::from_secs(60))?;
        let verifier = Verifier::new(anchor(&self.authority)?, Expected::Node(self.node));
        let at = UnixTime::since_unix_epoch(Duration::from_secs(begins_s) + crate::validity::BACKDATED);
        verifier.verify_client_cert(&sample.chain()[0], &sample.chain()[1..], at).map_err(|error| {
            CertificateError::Refused(format!(
                "the certificate that the head made does not fit this node: {}",
                crate::verify::explain(&error)
            ))
        })?;
        Ok(())
    }
}

impl std::fmt::Debug for NodeCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NodeCertificate({})", self.node)
    }
}

/// The subject of a node's certificate.
pub(crate) fn node_subject(node: &NodeId) -> String {
    format!("{}.node", node.hex())
}

/// What a signer needs to know of its own certificate: its subject, and that it may sign.
fn issuer_params(node: &NodeId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, node_subject(node));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// The parameters of a node's certificate: it may sign, one step deep, inside of its own domains.
pub(crate) fn node_params(
    node: &NodeId,
    now: SystemTime,
    lifetime: Duration,
    ends_s: i64,
) -> Result<CertificateParams, CertificateError> {
    let mut params = params_for(&node_subject(node), now, lifetime, ends_s)?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![
            rcgen::GeneralSubtree::DnsName(crate::names::node_domain(node)),
            rcgen::GeneralSubtree::DnsName(crate::names::worker_domain(node)),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

#[cfg(test)]
mod tests;
