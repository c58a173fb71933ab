//! One fetch: the spans of an object that are missing, taken by as many threads as have time.

use crate::client::RangeWriter;
use crate::transfer::connections::{Connection, Connections};
use crate::transfer::frames::{AGAIN, Ask, DATA, REPLY_BYTES, Reply, Request, WAIT, chunks};
use crate::transfer::progress::Progress;
use crate::transfer::stream::Stream;
use parking_lot::Mutex;
use rustix::net::Shutdown;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trygon_ids::ObjectId;
use trygon_store_core::{FetchEnd, FetchOutcome, SPAN_BYTES, Source};

/// A source that gets its spans anew more often than this during one fetch is none.
const MOST_RENEWALS: usize = 16;

#[derive(Debug, Default)]
struct Crew {
    /// Spans that nobody has taken yet, the last first.
    spans: Vec<u64>,
    active: usize,
    /// Somebody has taken the first one.
    is_begun: bool,
    /// The sockets that its threads may be waiting for, each under a number of its thread's.
    sockets: BTreeMap<u64, OwnedFd>,
    next_thread: u64,
    renewals: usize,
    num_done: u64,
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
    /// What is here already, by this fetch or an earlier one.
    progress: Arc<Progress>,
    /// This node, and where the copy comes to lie.
    asker: Source,
    room: RangeWriter,
    num_spans: u64,
    is_stopped: AtomicBool,
    /// A lock: who comes, who leaves last, what is left to do and why it failed change together. Held for moments.
    crew: Mutex<Crew>,
}

/// How a span ended.
enum Span {
    Done,
    /// The source got it anew meanwhile.
    Renewed,
    Failed(FetchOutcome),
}

impl FetchJob {
    pub(crate) fn new(
        (object, attempt): (ObjectId, u64),
        source: Source,
        asker: Source,
        room: RangeWriter,
        progress: Arc<Progress>,
    ) -> Self {
        let mut spans = progress.missing_spans();
        spans.reverse();
        Self {
            object,
            attempt,
            source,
            progress,
            asker,
            room,
            num_spans: spans.len() as u64,
            is_stopped: AtomicBool::new(false),
            crew: Mutex::new(Crew { spans, ..Crew::default() }),
        }
    }

    /// Nobody wants it any more, or its source is dead: the threads leave at once, whatever they wait for.
    pub(crate) fn stop(&self) {
        let mut crew = self.crew.lock();
        crew.failure.get_or_insert(FetchOutcome::Stopped);
        self.is_stopped.store(true, Ordering::Relaxed);
        for socket in crew.sockets.values() {
            // Of a connection that is gone already there is nothing to end.
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }

    /// From now on `stop` ends what this thread waits for on the stream.
    fn watch(&self, thread: u64, stream: &dyn Stream) -> io::Result<()> {
        let socket = stream.socket().try_clone_to_owned()?;
        let mut crew = self.crew.lock();
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        crew.sockets.insert(thread, socket);
        Ok(())
    }

    /// How many spans there were to fetch.
    pub(crate) fn num_spans(&self) -> u64 {
        self.num_spans
    }

    /// A thread joins. False when there is nothing left to do.
    pub(crate) fn join(&self) -> bool {
        let mut crew = self.crew.lock();
        crew.active += usize::from(!crew.is_finished);
        !crew.is_finished
    }

    /// A thread leaves. The last one gets the outcome.
    pub(crate) fn leave(&self) -> Option<FetchEnd> {
        let mut crew = self.crew.lock();
        crew.active -= 1;
        if crew.active > 0 {
            return None;
        }
        crew.is_finished = true;
        let failure = crew.failure.unwrap_or(FetchOutcome::Unreachable);
        let outcome = if crew.num_done == self.num_spans { FetchOutcome::Complete } else { failure };
        Some(FetchEnd { attempt: self.attempt, outcome, has_moved: crew.num_done > 0 })
    }

    /// Fetches spans until none is left. `after_first` is called when the source has begun to serve.
    pub(crate) fn run(&self, connections: &Connections, mut after_first: impl FnMut()) {
        let thread = {
            let mut crew = self.crew.lock();
            crew.next_thread += 1;
            crew.next_thread
        };
        let mut connection = None;
        loop {
            let (taken, is_first) = {
                let mut crew = self.crew.lock();
                let is_first = crew.spans.len() as u64 == self.num_spans && !crew.is_begun;
                crew.is_begun = true;
                (crew.spans.pop(), is_first)
            };
            let Some(span) = taken.filter(|_| !self.is_stopped.load(Ordering::Relaxed)) else { break };
            let begun = &mut || {
                if is_first {
                    after_first();
                }
            };
            let done = self.fetch_span(connections, &mut connection, (thread, span, is_first), begun);
            if done.is_err() {
                connection = None;
            }
            if !self.note(span, done) {
                break;
            }
        }
        // From here on the stream may be another fetch's.
        self.crew.lock().sockets.remove(&thread);
        if let Some(Connection { stream, .. }) = connection {
            connections.keep(self.source.node, stream);
        }
    }

    /// What has become of a span. False when the thread has nothing left to do.
    fn note(&self, span: u64, done: io::Result<Span>) -> bool {
        if matches!(done, Ok(Span::Done)) {
            self.progress.verify(span);
            self.crew.lock().num_done += 1;
            return true;
        }
        self.progress.fail(span);
        let mut crew = self.crew.lock();
        crew.spans.push(span);
        match done {
            Ok(Span::Renewed) if crew.renewals < MOST_RENEWALS => {
                crew.renewals += 1;
                return true;
            }
            // The other streams may hold, and take this span as well.
            Err(_) => {
                crew.failure.get_or_insert(FetchOutcome::Unreachable);
            }
            Ok(Span::Failed(outcome)) => self.fail(&mut crew, outcome),
            Ok(_) => self.fail(&mut crew, FetchOutcome::Gone),
        }
        false
    }

    /// The source is none, and the other threads leave at their next chunk.
    fn fail(&self, crew: &mut Crew, outcome: FetchOutcome) {
        crew.failure.get_or_insert(outcome);
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// On `Ok` the connection, if there is still one, has nothing under way. `begun` is called when the source has agreed to serve.
    fn fetch_span(
        &self,
        connections: &Connections,
        connection: &mut Option<Connection>,
        (thread, span, is_first): (u64, u64, bool),
        begun: &mut impl FnMut(),
    ) -> io::Result<Span> {
        let size_bytes = self.source.location.size_bytes;
        let (from, to) = (span * SPAN_BYTES, (span + 1).saturating_mul(SPAN_BYTES).min(size_bytes));
        // Who serves one part serves the others.
        let is_direct = self.source.is_direct || !is_first;
        let request = Request {
            ask: Ask::Get { from, to },
            job: self.object.task_id().job_id(),
            object: self.object,
            location: self.source.location,
            asker: Source { is_direct, failed_node: self.source.failed_node, ..self.asker },
        };
        let watch = |stream: &dyn Stream| self.watch(thread, stream);
        let reply = ask(connections, connection, self.source.node, &request, watch)?;
        match reply {
            Reply::Data => begun(),
            Reply::Gone => return Ok(Span::Failed(FetchOutcome::Gone)),
            Reply::Refused => return Ok(Span::Failed(FetchOutcome::Refused)),
            Reply::Redirect(source) => return Ok(Span::Failed(FetchOutcome::Redirect(source))),
        }
        let Some(Connection { stream, is_used }) = connection.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        *is_used = true;
        for (start, end) in chunks(from, to) {
            match self.next_status(stream)? {
                Some(DATA) => {}
                Some(status) => return Ok(ended_by(status)),
                None => {
                    // What is still under way makes the connection useless.
                    *connection = None;
                    return Ok(Span::Failed(FetchOutcome::Stopped));
                }
            }
            let filled = self.room.fill(start, end - start, |bytes| stream.read_exact(bytes));
            filled.unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))?;
            self.progress.note(start);
        }
        Ok(match self.next_status(stream)? {
            Some(DATA) => Span::Done,
            Some(status) => ended_by(status),
            None => {
                *connection = None;
                Span::Failed(FetchOutcome::Stopped)
            }
        })
    }

    /// The next status that says something; none when the fetch is to stop.
    fn next_status(&self, stream: &mut impl Read) -> io::Result<Option<u8>> {
        loop {
            if self.is_stopped.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let status = read_status(stream)?;
            if status != WAIT {
                return Ok(Some(status));
            }
        }
    }
}

fn ended_by(status: u8) -> Span {
    if status == AGAIN { Span::Renewed } else { Span::Failed(FetchOutcome::Gone) }
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
    watch: impl Fn(&dyn Stream) -> io::Result<()>,
) -> io::Result<Reply> {
    let mut taken = match connection.take() {
        Some(taken) => taken,
        None => {
            let taken = connections.take(node)?;
            watch(&*taken.stream)?;
            taken
        }
    };
    let reply = match exchange(&mut taken.stream, request) {
        Err(_) if taken.is_used => {
            taken = connections.dial(node)?;
            watch(&*taken.stream)?;
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
    let note = |stream: &mut Box<dyn Stream>| {
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
