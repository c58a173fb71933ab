//! Streams for the bytes of objects: blocking, for threads of their own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use trygon_ids::NodeId;
use trygon_rpc::{BulkStream, Expected, Preamble, Purpose, accept_tls, connect_tls, dial_any};

use crate::shared::Shared;

/// Opens streams between this node and others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ObjectStreams {
    shared: Arc<Shared>,
}

impl ObjectStreams {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A stream to another node, TLS done. Blocks until then; `connect` of the limits is how long each of its two steps may take.
    pub fn connect(&self, node: NodeId) -> io::Result<BulkStream> {
        let unknown =
            || io::Error::new(io::ErrorKind::NotFound, format!("the address of node {} is not known", node.hex()));
        let address = self.shared.address(&node).ok_or_else(unknown)?;
        let patience = self.shared.limits.connect;
        let preamble = self.shared.preamble(Purpose::Object, &node);
        let socket = dial_any(&address, &preamble, patience)
            .map_err(|error| io::Error::new(io::ErrorKind::HostUnreachable, error.to_string()))?;
        BulkStream::from_client(connect_tls(socket, &self.shared.identity(), Expected::Node(node), patience)?)
    }

    /// The other end, from what `Incoming::Accepted` brought: which node it is, and the stream. Blocks for the handshake.
    pub fn accept(&self, preamble: &Preamble, socket: OwnedFd) -> io::Result<(NodeId, BulkStream)> {
        let node = NodeId::new(preamble.source);
        let stream = accept_tls(socket, &self.shared.identity(), Expected::Node(node), self.shared.limits.connect)?;
        Ok((node, BulkStream::from_server(stream)?))
    }
}
