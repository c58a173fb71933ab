//! One connection of another node, served until it closes.

use crate::transfer::connections::STALLED;
use crate::transfer::events::{Asked, Event, Reporter, Served};
use crate::transfer::frames::{Ask, DATA, FAILED, GONE, REQUEST_BYTES, Reply, Request, chunks};
use crate::transfer::kinds::Threads;
use crate::transfer::stream::Stream;
use std::io;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long a chunk may take to come that this node waits for itself: less than the other side has patience for.
const CHUNK_WAIT: Duration = Duration::from_secs(5);

/// Serves a connection in a thread of its own.
pub(crate) fn begin(
    threads: &Threads,
    reporter: &Reporter,
    make: impl FnOnce() -> io::Result<(Box<dyn Stream>, u32)> + Send + 'static,
) {
    let reporter = reporter.clone();
    threads.serve(move || {
        if let Ok((mut stream, node)) = make() {
            // A connection ends with an error in any case: the other side closes it, or is silent.
            let _ = Server { reporter, node }.run(&mut *stream);
        }
    });
}

pub(crate) struct Server {
    pub(crate) reporter: Reporter,
    /// Who is at the other end.
    node: u32,
}

pub(crate) fn stopped<T>(_: T) -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Server {
    fn run(&self, stream: &mut dyn Stream) -> io::Result<()> {
        stream.set_timeout(STALLED)?;
        loop {
            let mut bytes = [0; REQUEST_BYTES];
            stream.read_exact(&mut bytes)?;
            let request = Request::parse(&bytes)?;
            if request.asker.node != self.node {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a request in another node's name"));
            }
            match request.ask {
                Ask::Free => {
                    let Request { object, location, .. } = request;
                    let is_told = self.reporter.report(Event::Freed { object, location });
                    stream.write_all(&[if is_told { DATA } else { FAILED }])?;
                }
                Ask::Get { from, to } => self.serve(stream, &request, from, to)?,
            }
            stream.flush()?;
        }
    }

    fn serve(&self, stream: &mut dyn Stream, request: &Request, from: u64, to: u64) -> io::Result<()> {
        let (answer, answered) = sync_channel(1);
        self.reporter.report(Event::Asked(Asked { request: *request, answer }));
        let reply = match answered.recv().map_err(stopped)? {
            served @ Served::Data { .. } => return self.send(stream, request, served, from, to),
            Served::File(spilled) => return self.send_file(stream, request, spilled, from, to),
            Served::Redirect(source) => Reply::Redirect(source),
            Served::Gone => Reply::Gone,
            Served::Refused => Reply::Refused,
        };
        stream.write_all(&reply.encode())
    }

    fn send(&self, stream: &mut dyn Stream, request: &Request, served: Served, from: u64, to: u64) -> io::Result<()> {
        let object = request.object;
        let sent = send_chunks(stream, request, &served, from, to);
        // The mapping goes before the loop may let the segment go.
        drop(served);
        if !matches!(sent, Ok(true)) {
            self.reporter.report(Event::Abandoned { object });
            return sent.map(|_| ());
        }
        let (answer, answered) = sync_channel(1);
        self.reporter.report(Event::Sent { object, location: request.location, answer });
        let still_there = answered.recv().map_err(stopped)?;
        stream.write_all(&[if still_there { DATA } else { GONE }])
    }
}

/// False when a chunk did not come.
fn send_chunks(stream: &mut dyn Stream, request: &Request, served: &Served, from: u64, to: u64) -> io::Result<bool> {
    let Served::Data { mapping, progress } = served else { return Ok(false) };
    stream.write_all(&Reply::Data.encode())?;
    for (start, end) in chunks(from, to) {
        let is_here = progress.as_ref().is_none_or(|progress| progress.wait_for(start, CHUNK_WAIT));
        mapping.prepare(request.location.offset_bytes + start, end - start);
        let bytes = mapping.range(request.location.offset_bytes + start, end - start).filter(|_| is_here);
        let Some(bytes) = bytes else {
            stream.write_all(&[FAILED])?;
            return Ok(false);
        };
        stream.write_all(&[DATA])?;
        stream.write_all(bytes)?;
    }
    // What this node was sent itself counts as the object only when its source has said so.
    let is_verified = progress.as_ref().is_none_or(|progress| progress.wait_verified(from, to, CHUNK_WAIT));
    if !is_verified {
        stream.write_all(&[GONE])?;
    }
    Ok(is_verified)
}
