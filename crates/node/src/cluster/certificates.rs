//! Certificates: of the processes here, of the daemon, and on the head's machine of nodes and control service. All are renewed long before
//! they end.

use crate::cluster::lifetimes::Lifetimes;
use crate::cluster::state::Cluster;
use crate::service::Service;
use std::time::SystemTime;
use trygon_cluster::Outgoing;
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{RenewCertificate, RenewedCertificate};
use trygon_rpc::{CertificateError, Identity, IssuedNode, NodeCertificate, NodeKey, ProcessCertificate};
use trygon_wire::Kind;
use trygon_wire::control::{Certificate, CertificateRenewed};

impl Service {
    /// What a process here proves with who it is towards processes of other nodes.
    pub(crate) fn certificate_for(&self, worker: WorkerId, job: JobId) -> Option<Certificate> {
        let cluster = self.cluster.as_ref()?;
        let issued = cluster.certificate.issue_process(worker, job, SystemTime::now(), cluster.lifetimes.process());
        match issued {
            Ok(issued) => Some(for_process(&issued)),
            Err(error) => {
                self.log(&format!("worker {worker} gets no certificate: {error}"));
                None
            }
        }
    }

    /// Looks after all of them.
    pub(crate) fn on_certificates_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.certificates_ms <= now_ms) else {
            return;
        };
        cluster.certificates_ms = now_ms + cluster.lifetimes.look_ms();
        let age_ms = cluster.lifetimes.process_age_ms();
        if cluster.certificate.needs_renewal(SystemTime::now()) {
            self.renew_node();
        }
        let is_due = |process: &crate::process::Process| now_ms.saturating_sub(process.certified_ms) > age_ms;
        let due: Vec<u64> =
            self.processes.iter().filter(|(_, process)| is_due(process)).map(|(number, _)| *number).collect();
        for number in due {
            let (worker, job) = (self.node.worker_id(number), self.job_of(number));
            if let Some(process) = self.processes.get_mut(&number) {
                process.certified_ms = now_ms;
            }
            if let Some(certificate) = self.certificate_for(worker, job) {
                let renewed = CertificateRenewed { certificate: Some(certificate) };
                self.send(number, Kind::CertificateRenewed, &renewed);
            }
        }
        if let Err(error) = self.renew_control() {
            self.log(&format!("the control service gets no newer certificate: {error}"));
        }
        self.renew_own();
    }

    /// The daemon's own, for connections from now on.
    fn renew_own(&mut self) {
        let Some(cluster) = &self.cluster else {
            return;
        };
        match own_identity(&cluster.certificate, cluster.lifetimes) {
            Ok(identity) => cluster.network.send(Outgoing::Renew(identity)),
            Err(error) => self.log(&format!("the node gets no newer certificate: {error}")),
        }
    }

    /// The node's: on the head's machine it is made here, elsewhere the head's node is asked.
    fn renew_node(&mut self) {
        let own = self.identity.node_id;
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if let Some(authority) = &cluster.authority {
            match authority.issue_node(own, SystemTime::now(), cluster.lifetimes.node) {
                Ok(certificate) => cluster.certificate = certificate,
                Err(error) => self.log(&format!("the node gets no newer certificate: {error}")),
            }
            return;
        }
        let (Ok(key), Some(head)) = (NodeKey::generate(), cluster.nodes.head()) else {
            return;
        };
        let question = RenewCertificate { public_key: key.public_key().to_vec() };
        cluster.next_key = Some(key);
        self.tell_node(head, Body::Renew(question));
    }

    /// The head's node has answered.
    pub(crate) fn on_renewed(&mut self, message: &RenewedCertificate) {
        let own = self.identity.node_id;
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let Some(key) = cluster.next_key.take() else {
            return;
        };
        if !message.error.is_empty() {
            return self.log(&format!("the head gives no newer certificate: {}", message.error));
        }
        let issued =
            IssuedNode { certificate_der: message.certificate.clone(), authority_der: message.authority.clone() };
        match key.certify(own, &issued) {
            Ok(certificate) => {
                cluster.certificate = certificate;
                self.renew_own();
            }
            Err(error) => self.log(&format!("the head's newer certificate is of no use: {error}")),
        }
    }
}

/// The daemon's own identity for TLS.
pub(crate) fn own_identity(certificate: &NodeCertificate, lifetimes: Lifetimes) -> Result<Identity, CertificateError> {
    Identity::new(&certificate.issue_service(SystemTime::now(), lifetimes.process())?)
}

/// On the head's machine: a newer certificate for the node that asks.
pub(crate) fn renew_for(cluster: Option<&Cluster>, node: NodeId, message: &RenewCertificate) -> RenewedCertificate {
    let refused = |error: String| RenewedCertificate { error, ..RenewedCertificate::default() };
    let authority = cluster.and_then(|cluster| Some((cluster.authority.as_ref()?, cluster.lifetimes.node)));
    let Some((authority, lifetime)) = authority else {
        return refused("this node is not the head's".to_owned());
    };
    match authority.issue_for(node, &message.public_key, SystemTime::now(), lifetime) {
        Ok(issued) => RenewedCertificate {
            certificate: issued.certificate_der,
            authority: issued.authority_der,
            error: String::new(),
        },
        Err(error) => refused(error.to_string()),
    }
}

fn for_process(issued: &ProcessCertificate) -> Certificate {
    Certificate {
        certificate_chain: issued.chain().iter().map(|der| der.to_vec()).collect(),
        private_key: issued.private_key_der().to_vec(),
        authority: issued.authority().to_vec(),
    }
}
