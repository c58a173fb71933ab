//! One fetch: an object's spans, taken by as many threads as have time.

use crate::client::RangeWriter;
use crate::transfer::connections::{Connection, Connections};
use crate::transfer::frames::{Ask, DATA, REPLY_BYTES, Reply, Request, SPAN_BYTES, chunks};
use crate::transfer::progress::Progress;
use parking_lot::Mutex;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use trygon_ids::ObjectId;
use trygon_store_core::{FetchOutcome, Source};

#[derive(Debug, Default)]
struct Crew {
    active: usize,
    is_finished: bool,
    /// The first failure.
    failure: Option<FetchOutcome>,
}

/// An object on its way here. Shared by the threads that fetch it.
#[derive(Debug)]
pub(crate) struct FetchJob {
    pub(crate) object: ObjectId,
    pub(crate) attempt: u64,
    pub(crate) source: Source,
    pub(crate) progress: Arc<Progress>,
    /// This node, and where the copy comes to lie.
    asker: Source,
    room: RangeWriter,
    next_span: AtomicU64,
    is_stopped: AtomicBool,
    /// A lock: who comes, who leaves last and why it failed change together. Held for moments.
    crew: Mutex<Crew>,
}

/// How a span ended.
enum Span {
    Done,
    Failed(FetchOutcome),
}

impl FetchJob {
    pub(crate) fn new(object: ObjectId, attempt: u64, source: Source, asker: Source, room: RangeWriter) -> Self {
        let progress = Arc::new(Progress::new(source.location.size_bytes));
        Self {
            object,
            attempt,
            source,
            progress,
            asker,
            room,
            next_span: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            crew: Mutex::new(Crew::default()),
        }
    }

    /// Nobody wants it any more, or its source is dead: the threads leave at their next chunk.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// How many spans there are; one for an empty object, so that its source is asked all the same.
    pub(crate) fn num_spans(&self) -> u64 {
        self.source.location.size_bytes.div_ceil(SPAN_BYTES).max(1)
    }

    /// A thread joins. False when there is nothing left to do.
    pub(crate) fn join(&self) -> bool {
        let mut crew = self.crew.lock();
        crew.active += usize::from(!crew.is_finished);
        !crew.is_finished
    }

    /// A thread leaves. The last one gets the outcome.
    pub(crate) fn leave(&self) -> Option<FetchOutcome> {
        let mut crew = self.crew.lock();
        crew.active -= 1;
        if crew.active > 0 {
            return None;
        }
        crew.is_finished = true;
        let outcome = crew.failure.unwrap_or(FetchOutcome::Complete);
        drop(crew);
        self.progress.end(outcome == FetchOutcome::Complete);
        Some(outcome)
    }

    /// Fetches spans until none is left. `after_first` is called when the source has begun to serve.
    pub(crate) fn run(&self, connections: &Connections, mut after_first: impl FnMut()) {
        let mut connection = None;
        loop {
            if self.is_stopped.load(Ordering::Relaxed) {
                self.fail(FetchOutcome::Stopped);
                break;
            }
            let span = self.next_span.fetch_add(1, Ordering::Relaxed);
            if span >= self.num_spans() {
                break;
            }
            match self.fetch_span(connections, &mut connection, span) {
                Ok(Span::Done) if span == 0 => after_first(),
                Ok(Span::Done) => {}
                Ok(Span::Failed(outcome)) => {
                    self.fail(outcome);
                    break;
                }
                Err(_) => {
                    connection = None;
                    self.fail(FetchOutcome::Unreachable);
                    break;
                }
            }
        }
        if let Some(Connection { stream, .. }) = connection {
            connections.keep(self.source.node, stream);
        }
    }

    fn fail(&self, outcome: FetchOutcome) {
        let mut crew = self.crew.lock();
        crew.failure.get_or_insert(outcome);
        drop(crew);
        self.stop();
    }

    /// On `Ok` the connection, if there is still one, has nothing under way.
    fn fetch_span(
        &self,
        connections: &Connections,
        connection: &mut Option<Connection>,
        span: u64,
    ) -> io::Result<Span> {
        let size_bytes = self.source.location.size_bytes;
        let (from, to) = (span * SPAN_BYTES, (span + 1).saturating_mul(SPAN_BYTES).min(size_bytes));
        let is_direct = self.source.is_direct || span > 0;
        let request = Request {
            ask: Ask::Get { from, to },
            job: self.object.task_id().job_id(),
            object: self.object,
            location: self.source.location,
            asker: Source { is_direct, ..self.asker },
        };
        let reply = ask(connections, connection, self.source.node, &request)?;
        match reply {
            Reply::Data => {}
            Reply::Gone => return Ok(Span::Failed(FetchOutcome::Gone)),
            Reply::Refused => return Ok(Span::Failed(FetchOutcome::Refused)),
            Reply::Redirect(source) => return Ok(Span::Failed(FetchOutcome::Redirect(source))),
        }
        let Some(Connection { stream, is_used }) = connection.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        *is_used = true;
        for (start, end) in chunks(from, to) {
            if self.is_stopped.load(Ordering::Relaxed) {
                // What is still under way makes the connection useless.
                *connection = None;
                return Ok(Span::Failed(FetchOutcome::Stopped));
            }
            if read_status(stream)? != DATA {
                return Ok(Span::Failed(FetchOutcome::Gone));
            }
            let filled = self.room.fill(start, end - start, |bytes| stream.read_exact(bytes));
            filled.unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))?;
            self.progress.note(start);
        }
        if read_status(stream)? != DATA {
            return Ok(Span::Failed(FetchOutcome::Gone));
        }
        self.progress.verify(from, to);
        Ok(Span::Done)
    }
}

fn read_status(stream: &mut impl Read) -> io::Result<u8> {
    let mut status = [0];
    stream.read_exact(&mut status)?;
    Ok(status[0])
}

/// Asks, and reads the head of the reply. A connection that was kept and turns out to be closed is replaced once.
fn ask(
    connections: &Connections,
    connection: &mut Option<Connection>,
    node: u32,
    request: &Request,
) -> io::Result<Reply> {
    let mut taken = match connection.take() {
        Some(taken) => taken,
        None => connections.take(node)?,
    };
    let reply = match exchange(&mut taken.stream, request) {
        Err(_) if taken.is_used => {
            taken = connections.dial(node)?;
            exchange(&mut taken.stream, request)?
        }
        other => other?,
    };
    *connection = Some(taken);
    Reply::parse(&reply)
}

fn exchange(stream: &mut impl ReadWrite, request: &Request) -> io::Result<[u8; REPLY_BYTES]> {
    stream.write_all(&request.encode())?;
    stream.flush()?;
    let mut reply = [0; REPLY_BYTES];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// Both ways.
trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Tells the node of an object that its owner needs it no more.
pub(crate) fn send_free(connections: &Connections, node: u32, request: &Request) -> io::Result<()> {
    let mut connection = connections.take(node)?;
    let note = |stream: &mut Box<dyn crate::transfer::stream::Stream>| {
        stream.write_all(&request.encode())?;
        stream.flush()?;
        read_status(stream).map(|_| ())
    };
    match note(&mut connection.stream) {
        Err(_) if connection.is_used => {
            connection = connections.dial(node)?;
            note(&mut connection.stream)?;
        }
        other => other?,
    }
    connections.keep(node, connection.stream);
    Ok(())
}
