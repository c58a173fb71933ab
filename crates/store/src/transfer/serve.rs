//! One connection of another node, served until it closes.

use crate::transfer::connections::STALLED;
use crate::transfer::events::{Asked, Event, Reads, Reporter, Served};
use crate::transfer::frames::{AGAIN, Ask, DATA, FAILED, GONE, REQUEST_BYTES, Reply, Request, WAIT, chunks};
use crate::transfer::kinds::Threads;
use crate::transfer::stream::Stream;
use std::io;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use trygon_store_core::{Outlook, SPAN_BYTES};

/// So often the other side is told that this node waits itself: well within its patience.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

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
    pub(crate) node: u32,
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
            served @ Served::Data { reads, .. } => return self.send(stream, request, (served, reads), from, to),
            Served::File(spilled) => return self.send_file(stream, request, spilled, from, to),
            Served::Redirect(source) => Reply::Redirect(source),
            Served::Gone => Reply::Gone,
            Served::Refused => Reply::Refused,
        };
        stream.write_all(&reply.encode())
    }

    fn send(
        &self,
        stream: &mut dyn Stream,
        request: &Request,
        (served, reads): (Served, Reads),
        from: u64,
        to: u64,
    ) -> io::Result<()> {
        let object = request.object;
        let sent = send_chunks(stream, request, &served, from, to);
        // The mapping goes before the loop may let the segment go.
        drop(served);
        if !matches!(sent, Ok(true)) {
            self.reporter.report(Event::Abandoned { object, reads, to_node: self.node });
            return sent.map(|_| ());
        }
        let (answer, answered) = sync_channel(1);
        self.reporter.report(Event::Sent { object, location: request.location, reads, to_node: self.node, answer });
        let still_there = answered.recv().map_err(stopped)?;
        stream.write_all(&[if still_there { DATA } else { GONE }])
    }
}

/// False when a chunk did not come; then the other side has been told.
fn send_chunks(stream: &mut dyn Stream, request: &Request, served: &Served, from: u64, to: u64) -> io::Result<bool> {
    let Served::Data { mapping, progress, .. } = served else { return Ok(false) };
    let (progress, span) = (progress.as_ref(), from / SPAN_BYTES);
    // Before the first byte is read (PULL-6).
    let generation = progress.map_or(0, |progress| progress.generation(span));
    stream.write_all(&Reply::Data.encode())?;
    for (start, end) in chunks(from, to) {
        let wait = |limit| progress.map_or(Outlook::Ready, |progress| progress.wait_for(start, generation, limit));
        if !tell_while_waiting(stream, wait)? {
            return Ok(false);
        }
        mapping.prepare(request.location.offset_bytes + start, end - start);
        let Some(bytes) = mapping.range(request.location.offset_bytes + start, end - start) else {
            stream.write_all(&[FAILED])?;
            return Ok(false);
        };
        stream.write_all(&[DATA])?;
        stream.write_all(bytes)?;
    }
    // What this node was sent itself counts as the object only when its source has said so.
    tell_while_waiting(stream, |limit| {
        progress.map_or(Outlook::Ready, |progress| progress.wait_verified(span, generation, limit))
    })
}

/// Waits for what this node is sent itself, and lets the other side know that it does. False when it does not come.
fn tell_while_waiting(stream: &mut dyn Stream, wait: impl Fn(Duration) -> Outlook) -> io::Result<bool> {
    let mut outlook = wait(Duration::ZERO);
    if outlook == Outlook::Coming {
        // What was sent before is not held back meanwhile.
        stream.flush()?;
        outlook = wait(SIGN_OF_LIFE);
    }
    while outlook == Outlook::Coming {
        stream.write_all(&[WAIT])?;
        stream.flush()?;
        outlook = wait(SIGN_OF_LIFE);
    }
    match outlook {
        Outlook::Renewed => stream.write_all(&[AGAIN])?,
        Outlook::Never => stream.write_all(&[FAILED])?,
        Outlook::Ready | Outlook::Coming => {}
    }
    Ok(outlook == Outlook::Ready)
}

#[cfg(test)]
mod tests;
