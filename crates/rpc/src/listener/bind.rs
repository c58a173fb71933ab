//! Taking a port: one port on all given addresses, with errors that name the port and the option.

use std::net::{IpAddr, SocketAddr, TcpListener};

/// How often another port is tried when the system's choice for one address is taken on another.
const PORT_TRIES: usize = 16;

/// How many connections wait in the kernel until they are accepted; the system may have a lower limit.
const QUEUE: i32 = 4096;

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Reads `10002-19999`, or one port. Zero is refused, as is a range that ends before it starts.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
        (range.first > 0 && range.first <= range.last).then_some(range)
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

/// Why no port could be taken.
#[derive(Debug)]
pub enum ListenError {
    /// Another process has it.
    InUse(SocketAddr),
    /// All ports of a range are taken.
    RangeInUse(PortRange),
    /// The address is of no interface of this machine.
    NotHere(IpAddr),
    /// Anything else.
    Io {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// No address was given.
    NoAddress,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(address) => write!(
                formatter,
                "port {} is in use on {}: another process listens there, perhaps another node. Stop it (trygon stop), or choose another port with --port",
                address.port(),
                address.ip()
            ),
            Self::RangeInUse(range) => write!(
                formatter,
                "every port from {} to {} is in use. Choose another port or range with --port",
                range.first, range.last
            ),
            Self::NotHere(ip) => {
                write!(formatter, "{ip} is not an address of this machine. Give one of its own with --node-ip-address")
            }
            Self::Io { address, error } if error.kind() == std::io::ErrorKind::PermissionDenied => write!(
                formatter,
                "this user may not listen on port {}: {error}. Choose one from 1024 on with --port",
                address.port()
            ),
            Self::Io { address, error } => write!(formatter, "cannot listen on {address}: {error}"),
            Self::NoAddress => formatter.write_str("no address to listen on was given"),
        }
    }
}

impl std::error::Error for ListenError {}

/// A port that is taken on each address; connections wait in the kernel until `start`.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Bound {
    /// Takes the addresses. Port 0 lets the system choose; all addresses with port 0 get the same port.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, ListenError> {
        let chooses = addresses.iter().any(|address| address.port() == 0);
        let mut tries = if chooses { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::bind_once(addresses) {
                Err(ListenError::InUse(_)) if tries > 0 => {}
                result => return result,
            }
        }
    }

    /// Takes the first port of a range that is free on all `ips`.
    pub fn bind_in_range(ips: &[IpAddr], range: PortRange) -> Result<Self, ListenError> {
        for port in range.first..=range.last {
            let addresses: Vec<_> = ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
            match Self::bind_once(&addresses) {
                Err(ListenError::InUse(_)) => {}
                result => return result,
            }
        }
        Err(ListenError::RangeInUse(range))
    }

    /// The port, of the first address when they differ.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn into_listeners(self) -> Vec<TcpListener> {
        self.listeners
    }

    fn bind_once(addresses: &[SocketAddr]) -> Result<Self, ListenError> {
        let mut bound = Self { listeners: Vec::with_capacity(addresses.len()), port: 0 };
        for address in addresses {
            let port = if address.port() == 0 { bound.port } else { address.port() };
            let address = SocketAddr::new(address.ip(), port);
            let listener = TcpListener::bind(address).map_err(|error| refused(address, error))?;
            let io = |error| ListenError::Io { address, error };
            listener.set_nonblocking(true).map_err(io)?;
            crate::congestion::avoid_pacing(&listener);
            // The standard library's 128 is too short for a cluster that starts at once, or for a flood: what does not fit waits a second.
            rustix::net::listen(&listener, QUEUE).map_err(|error| io(error.into()))?;
            if bound.port == 0 {
                bound.port = listener.local_addr().map_err(io)?.port();
            }
            bound.listeners.push(listener);
        }
        if bound.listeners.is_empty() { Err(ListenError::NoAddress) } else { Ok(bound) }
    }
}

fn refused(address: SocketAddr, error: std::io::Error) -> ListenError {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse(address),
        std::io::ErrorKind::AddrNotAvailable => ListenError::NotHere(address.ip()),
        _ => ListenError::Io { address, error },
    }
}
