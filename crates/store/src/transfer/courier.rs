//! Notes to other nodes that an object there is not needed any more.

use crate::transfer::connections::Connections;
use crate::transfer::fetch::send_free;
use crate::transfer::frames::Request;
use crate::transfer::kinds::Threads;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Notes that wait. What does not fit stays in memory over there until its owner ends.
const MOST_NOTES: usize = 100_000;
/// A node that cannot be reached for so long is dead, and its memory with it.
const GIVE_UP: Duration = Duration::from_secs(60);
/// Pause after a node could not be reached.
const RETRY: Duration = Duration::from_secs(1);
/// Streams that nobody uses are looked for this often.
const CLEAN: Duration = Duration::from_secs(5);

struct Note {
    node: u32,
    request: Request,
    since: Instant,
    not_before: Instant,
}

/// Sends notes, in order for each node that answers.
#[derive(Debug)]
pub(crate) struct Courier {
    notes: SyncSender<(u32, Request)>,
}

impl Courier {
    pub(crate) fn start(threads: &Threads, connections: Arc<Connections>) -> io::Result<Self> {
        let (notes, received) = sync_channel(MOST_NOTES);
        threads.start("courier", move || run(&received, &connections))?;
        Ok(Self { notes })
    }

    /// Queues a note. The loop never waits for it.
    pub(crate) fn send(&self, node: u32, request: Request) {
        let _ = self.notes.try_send((node, request));
    }
}

fn run(received: &Receiver<(u32, Request)>, connections: &Connections) {
    let mut late: Vec<Note> = Vec::new();
    loop {
        let pause = if late.is_empty() { CLEAN } else { RETRY };
        match received.recv_timeout(pause) {
            Ok((node, request)) => {
                let now = Instant::now();
                let note = Note { node, request, since: now, not_before: now };
                // Behind a node that does not answer, notes wait with it; each try costs as long as dialling takes.
                if late.iter().any(|other| other.node == node) {
                    late.push(note);
                } else {
                    deliver(note, connections, &mut late);
                }
            }
            Err(RecvTimeoutError::Timeout) => connections.close_idle(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        let mut silent = Vec::new();
        for note in std::mem::take(&mut late) {
            if note.not_before > now || silent.contains(&note.node) {
                late.push(note);
                continue;
            }
            let (node, before) = (note.node, late.len());
            deliver(note, connections, &mut late);
            if late.len() > before {
                silent.push(node);
            }
        }
    }
}

fn deliver(note: Note, connections: &Connections, late: &mut Vec<Note>) {
    if send_free(connections, note.node, &note.request).is_err() && note.since.elapsed() < GIVE_UP {
        late.push(Note { not_before: Instant::now() + RETRY, ..note });
    }
}
