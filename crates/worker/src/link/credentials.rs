//! What this process proves with who it is, and how it judges others.

use crate::link::tls::TlsLink;
use std::sync::Arc;
use trygon_ids::{JobId, WorkerId};
use trygon_rpc::{Expected, Identity, ProcessCertificate, any_server_name};
use trygon_wire::control::{Certificate, TLS_CLIENT, TLS_SERVER};

/// This process's certificate. It is read when the first connection with another machine needs it.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    certificate: Option<Certificate>,
    identity: Option<Identity>,
}

impl Credentials {
    /// Takes a certificate, or a newer one. Connections that are there stay as they are.
    pub(crate) fn renew(&mut self, certificate: Certificate) {
        self.certificate = Some(certificate);
        self.identity = None;
    }

    /// TLS for a connection with one process, in which this side is `TLS_CLIENT` or `TLS_SERVER`.
    pub(crate) fn secure(&mut self, side: u32, worker: WorkerId, job: JobId) -> Result<TlsLink, String> {
        let identity = self.identity()?;
        let expected = Expected::Worker(worker, job);
        let explain = |error: trygon_rpc::CertificateError| error.to_string();
        let tls = match side {
            TLS_CLIENT => {
                let config = Arc::new(identity.client_config(expected).map_err(explain)?);
                TlsLink::client(config, any_server_name())
            }
            TLS_SERVER => TlsLink::server(Arc::new(identity.server_config(expected).map_err(explain)?)),
            other => return Err(format!("the daemon asks for an unknown side of TLS, {other}")),
        };
        tls.map_err(|error| error.to_string())
    }

    fn identity(&mut self) -> Result<&Identity, String> {
        if self.identity.is_none() {
            let certificate = self.certificate.take().ok_or("this process was given no certificate")?;
            let Certificate { certificate_chain, private_key, authority } = certificate;
            let certificate = ProcessCertificate::from_der(certificate_chain, private_key, authority);
            self.identity = Some(Identity::new(&certificate).map_err(|error| error.to_string())?);
        }
        self.identity.as_ref().ok_or_else(|| "this process was given no usable certificate".to_owned())
    }
}
