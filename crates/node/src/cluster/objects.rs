//! Streams for the bytes of objects, between the stores of two nodes.

use crate::service::Service;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use trygon_rpc::Preamble;
use trygon_store::transfer::{Dial, Over, Stream};

impl Service {
    /// The node has its number: objects of other nodes can be fetched, and others may fetch those of this one.
    pub(crate) fn begin_transfers(&mut self, number: u32) -> io::Result<()> {
        let Some(cluster) = &self.cluster else {
            return Ok(());
        };
        let (streams, nodes) = (cluster.network.object_streams(), cluster.nodes.numbers());
        let dial: Dial = Arc::new(move |number| {
            let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("node number {number} is not known"));
            let node = nodes.lock().get(&number).copied().ok_or_else(unknown)?;
            let stream = streams.connect(node)?;
            let socket = stream.socket().try_clone()?;
            Ok(Box::new(Over::new(stream, socket)) as Box<dyn Stream>)
        });
        let handle = self.join_stores(number, dial)?;
        if let Some(cluster) = &mut self.cluster {
            cluster.transfers = Some(handle);
        }
        Ok(())
    }

    /// Another node's store connects with this one.
    pub(crate) fn on_object_stream(&mut self, preamble: &Preamble, socket: OwnedFd) {
        let Some(cluster) = &self.cluster else {
            return;
        };
        let Some(transfers) = &cluster.transfers else {
            return;
        };
        let (streams, nodes, preamble) = (cluster.network.object_streams(), cluster.nodes.numbers(), *preamble);
        // The handshake is done by a thread of the stream's.
        transfers.accept_by(move || {
            let (node, stream) = streams.accept(&preamble, socket)?;
            let number = nodes.lock().iter().find(|(_, known)| **known == node).map(|(number, _)| *number);
            let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("node {node} is not known"));
            let number = number.ok_or_else(unknown)?;
            let socket = stream.socket().try_clone()?;
            Ok((Box::new(Over::new(stream, socket)) as Box<dyn Stream>, number))
        });
    }
}
