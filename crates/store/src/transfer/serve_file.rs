//! Objects that are sent from their files, without coming back into memory.

use crate::spill::{BLOCK_BYTES, SpilledBytes};
use crate::transfer::events::{Event, Reads};
use crate::transfer::frames::{DATA, FAILED, GONE, Reply, Request, chunks};
use crate::transfer::serve::{Server, stopped};
use crate::transfer::stream::Stream;
use std::io;
use std::sync::mpsc::sync_channel;

impl Server {
    /// Sends a range of an object that is in a file. What cannot be read is found out before it is sent.
    pub(crate) fn send_file(
        &self,
        stream: &mut dyn Stream,
        request: &Request,
        spilled: SpilledBytes,
        from: u64,
        to: u64,
    ) -> io::Result<()> {
        let Some(opened) = spilled.open() else { return stream.write_all(&Reply::Gone.encode()) };
        stream.write_all(&Reply::Data.encode())?;
        let mut buffer = vec![0; BLOCK_BYTES as usize];
        for (start, end) in chunks(from, to) {
            let block = buffer.get_mut(..(end - start) as usize);
            let Some(block) = block.and_then(|block| spilled.block(&opened, start, block).map(|()| block)) else {
                return stream.write_all(&[FAILED]);
            };
            stream.write_all(&[DATA])?;
            stream.write_all(block)?;
        }
        let (answer, answered) = sync_channel(1);
        self.reporter.report(Event::Sent {
            object: request.object,
            location: request.location,
            reads: Reads::File,
            to_node: self.node,
            answer,
        });
        let still_there = answered.recv().map_err(stopped)?;
        stream.write_all(&[if still_there { DATA } else { GONE }])
    }
}
