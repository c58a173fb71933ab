//! Opening a connection to another machine: resolve, connect, write the preamble, all before one deadline.

use crate::preamble::Preamble;
use crate::stream::TimedStream;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// A peer that vanishes without a word is noticed by TCP after this long. Heartbeats notice a dead node sooner, and a network that fails for
/// less than this loses no connection.
const SILENCE: Duration = Duration::from_secs(40);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_COUNT: u32 = 6;

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The text is no `HOST:PORT`, or no address is known for the host.
    Unknown {
        /// What was given.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The machine answered that nobody listens there, or that it cannot be reached.
    Refused {
        /// Where.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Nothing came back in time.
    NoAnswer {
        /// Where.
        address: String,
        /// How long was waited.
        waited: Duration,
    },
}

impl std::fmt::Display for DialError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { address, error } => write!(
                formatter,
                "the address {address} cannot be used: {error}. Give HOST:PORT, for example 10.0.0.5:6379, as the head printed it"
            ),
            Self::Refused { address, error } => write!(
                formatter,
                "nobody answers at {address}: {error}. Check the address, and that the head runs there (trygon start --head)"
            ),
            Self::NoAnswer { address, waited } => write!(
                formatter,
                "no answer from {address} within {:.1} s. Check the address, and that no firewall between the machines blocks the port",
                waited.as_secs_f64()
            ),
        }
    }
}

impl std::error::Error for DialError {}

/// The addresses of `HOST:PORT`.
pub fn resolve(address: &str) -> Result<Vec<SocketAddr>, DialError> {
    let unknown = |error| DialError::Unknown { address: address.to_owned(), error };
    let addresses: Vec<_> = address.to_socket_addrs().map_err(unknown)?.collect();
    if addresses.is_empty() {
        return Err(unknown(std::io::Error::other("no address is known for the host")));
    }
    Ok(addresses)
}

/// Connects and writes the preamble, in `patience` at most. The socket is blocking, sends small writes at once (TCP_NODELAY) and is kept alive; TLS is next.
pub fn dial(address: SocketAddr, preamble: &Preamble, patience: Duration) -> Result<OwnedFd, DialError> {
    let deadline = Instant::now() + patience;
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
            DialError::NoAnswer { address: address.to_string(), waited: patience }
        }
        _ => DialError::Refused { address: address.to_string(), error },
    };
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let socket = TcpStream::connect_timeout(&address, left).map_err(fail)?;
    prepare(&socket).map_err(fail)?;
    let mut stream = TimedStream::new(socket, deadline);
    stream.write_all(&preamble.to_bytes()).map_err(fail)?;
    stream.into_socket().map(OwnedFd::from).map_err(fail)
}

/// As `dial`, for a name that may stand for several addresses: each is tried in turn, all of them in `patience`.
pub fn dial_any(address: &str, preamble: &Preamble, patience: Duration) -> Result<OwnedFd, DialError> {
    let deadline = Instant::now() + patience;
    let addresses = resolve(address)?;
    let mut last = DialError::NoAnswer { address: address.to_owned(), waited: patience };
    let count = addresses.len();
    for (tried, at) in addresses.into_iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // A first address that never answers leaves time for the others.
        match dial(at, preamble, left / (count - tried) as u32) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sets what every connection between machines has: small writes go out at once, and a silent death is noticed. For sockets that are not made by `dial`.
pub fn prepare(socket: &impl AsFd) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(socket, SILENCE.as_millis() as u32)?;
    Ok(())
}

#[cfg(test)]
mod tests;
