//! The one listener of a node: accepts, reads preambles, and hands the sockets on. Nothing is ever answered from here.

mod bind;
mod half_open;

pub use bind::{Bound, ListenError, PortRange};

use crate::congestion::restore_for_public;
use crate::dial::prepare;
use crate::preamble::Preamble;
use half_open::{HalfOpen, HalfOpens, Progress};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a connection without a preamble may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Until when a preamble must be there, from the moment its connection is accepted.
    patience: Duration,
    /// How many connections may be without a preamble at a time; one more, and the oldest is dropped.
    max_half_open: usize,
}

const LIMITS: Limits = Limits { patience: Duration::from_secs(5), max_half_open: 64 };

/// How many connections are accepted before the others are read again.
const ACCEPTED_AT_A_TIME: usize = 64;

/// How long nothing is accepted after the system had no descriptor left for it.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// A connection whose preamble has come. Its next bytes are TLS.
#[derive(Debug)]
pub struct Incoming {
    /// What it is for. Only TLS proves any of it.
    pub preamble: Preamble,
    /// The socket: blocking, small writes go out at once, kept alive.
    pub socket: OwnedFd,
    /// Where it comes from.
    pub peer_address: SocketAddr,
}

/// The running listener. Dropping it ends the thread and closes the port.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The counter of an eventfd takes one more: this cannot fail.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic of the callback has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Bound {
    /// Starts the thread. `on_incoming` is called on it for each connection whose preamble has come; it hands the connection on and does not block.
    pub fn start(self, on_incoming: impl FnMut(Incoming) + Send + 'static) -> std::io::Result<Listener> {
        self.start_within(LIMITS, on_incoming)
    }

    fn start_within(
        self,
        limits: Limits,
        on_incoming: impl FnMut(Incoming) + Send + 'static,
    ) -> std::io::Result<Listener> {
        let port = self.port();
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let mut accepting = Accepting {
            listeners: self.into_listeners(),
            stop: stop.clone(),
            half_open: HalfOpens::new(limits.max_half_open),
            patience: limits.patience,
            paused_until: None,
            on_incoming,
        };
        let thread = std::thread::Builder::new().name("trygon-listen".to_owned()).spawn(move || accepting.run())?;
        Ok(Listener { port, stop, thread: Some(thread) })
    }
}

/// The thread's state.
struct Accepting<Callback> {
    listeners: Vec<TcpListener>,
    stop: Arc<OwnedFd>,
    half_open: HalfOpens,
    patience: Duration,
    paused_until: Option<Instant>,
    on_incoming: Callback,
}

impl<Callback: FnMut(Incoming)> Accepting<Callback> {
    fn run(&mut self) {
        while let Some(ready) = self.wait() {
            for index in ready.listeners {
                self.accept(index);
            }
            self.read(ready.half_open);
            self.half_open.drop_late(Instant::now());
        }
    }

    /// Waits for something to do. `None`: the listener is to end.
    fn wait(&mut self) -> Option<Ready> {
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        let listeners: &[TcpListener] = if self.paused_until.is_some() { &[] } else { &self.listeners };
        let mut fds = vec![PollFd::new(&*self.stop, PollFlags::IN)];
        fds.extend(listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        fds.extend(self.half_open.iter().map(|half_open| PollFd::new(&half_open.socket, PollFlags::IN)));
        let wake_at = [self.half_open.first_deadline(), self.paused_until].into_iter().flatten().min();
        // A millisecond more, so that the deadline has passed when poll returns.
        let timeout = wake_at.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let timeout =
            timeout.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Some(Ready::default()),
            Err(_) => {
                // Out of memory for a moment, as poll knows no other reason here.
                self.paused_until = Some(now + NO_DESCRIPTOR_PAUSE);
                return Some(Ready::default());
            }
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        if is_ready(&fds[0]) {
            return None;
        }
        let first_half_open = 1 + listeners.len();
        let indexes = |fds: &[PollFd<'_>]| {
            fds.iter().enumerate().filter(|(_, fd)| is_ready(fd)).map(|(index, _)| index).collect::<Vec<_>>()
        };
        Some(Ready { listeners: indexes(&fds[1..first_half_open]), half_open: indexes(&fds[first_half_open..]) })
    }

    /// Accepts what waits at one listener. A preamble that came with its connection is read at once, so that a flood of silent ones cannot push it out.
    fn accept(&mut self, index: usize) {
        // Bounded, so that a flood does not keep the others from being read.
        for _ in 0..ACCEPTED_AT_A_TIME {
            match self.listeners[index].accept() {
                Ok((socket, peer_address)) => self.begin(socket, peer_address),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Gone before it was accepted.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // No descriptor left: what says nothing gives way, and the rest waits in the kernel for a moment.
                    self.half_open.drop_oldest();
                    self.paused_until = Some(Instant::now() + NO_DESCRIPTOR_PAUSE);
                    return;
                }
            }
        }
    }

    fn begin(&mut self, socket: TcpStream, peer_address: SocketAddr) {
        // A connection that is broken already fails here, and is dropped.
        if socket.set_nonblocking(true).is_err() || prepare(&socket).is_err() {
            return;
        }
        restore_for_public(&socket, peer_address.ip());
        let mut half_open = HalfOpen::new(socket, peer_address, Instant::now() + self.patience);
        match half_open.read() {
            Progress::Waiting => self.half_open.push(half_open),
            Progress::Done(preamble) => self.hand_on(preamble, half_open),
            Progress::Dropped => {}
        }
    }

    /// Reads from those that have bytes. `ready` counts them as they stood before this round's were accepted; by now older ones may have gone.
    fn read(&mut self, ready: Vec<usize>) {
        let gone = self.half_open.take_dropped_count();
        for index in ready.into_iter().rev() {
            let Some(index) = index.checked_sub(gone) else { continue };
            match self.half_open.read(index) {
                Progress::Waiting => {}
                Progress::Dropped => drop(self.half_open.remove(index)),
                Progress::Done(preamble) => {
                    if let Some(half_open) = self.half_open.remove(index) {
                        self.hand_on(preamble, half_open);
                    }
                }
            }
        }
    }

    fn hand_on(&mut self, preamble: Preamble, half_open: HalfOpen) {
        let HalfOpen { socket, peer_address, .. } = half_open;
        if socket.set_nonblocking(false).is_ok() {
            (self.on_incoming)(Incoming { preamble, socket: socket.into(), peer_address });
        }
    }
}

/// Which listeners and half-open connections have something to read.
#[derive(Default)]
struct Ready {
    listeners: Vec<usize>,
    half_open: Vec<usize>,
}

#[cfg(test)]
mod tests;
