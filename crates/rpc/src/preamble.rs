//! The first bytes of every connection between machines: what it is for, to whom, from whom. Fixed size, no secret.
//!
//! Whoever reads it knows how to hand the socket on, and believes nothing else in it: TLS, which follows, checks the names.

use trygon_ids::{JobId, NodeId, WorkerId};

/// Bytes that no other protocol begins with.
const MAGIC: [u8; 8] = *b"TRYGON\0\x01";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// A machine that has no certificate yet asks for one.
    Join = 1,
    /// A daemon speaks with the control service.
    Control = 2,
    /// A daemon speaks with another daemon.
    Node = 3,
    /// A process speaks with another process of its job.
    Peer = 4,
    /// Bytes of objects between daemons.
    Object = 5,
    /// A daemon renews its node's lease.
    Lease = 6,
}

impl Purpose {
    fn from_number(number: u16) -> Option<Self> {
        [Self::Join, Self::Control, Self::Node, Self::Peer, Self::Object, Self::Lease]
            .into_iter()
            .find(|purpose| *purpose as u16 == number)
    }
}

/// The preamble: magic 8, version 2, purpose 2, target 28, source 28, connection 8, job 4; numbers little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// The version of the protocol that follows. A listener drops other versions, save for `Join`, whose answer names both.
    pub version: u16,
    /// What the connection is for.
    pub purpose: Purpose,
    /// The bytes of the id of the process or node it is to; zeros where the purpose says enough.
    pub target: [u8; 28],
    /// The bytes of the id of the process or node it is from.
    pub source: [u8; 28],
    /// A number that the dialling side gave to the connection, by which both sides' daemons tell it from others.
    pub connection: u64,
    /// The job, for `Peer`; zeros otherwise.
    pub job: JobId,
}

/// Why bytes are no preamble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreambleError {
    /// They do not begin with the magic.
    Magic,
    /// The number of the purpose is not known.
    Purpose(u16),
    /// The version is not the one that this build speaks.
    Version(u16),
}

impl std::fmt::Display for PreambleError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Magic => formatter.write_str("the connection does not begin as one of Trygon does"),
            Self::Purpose(number) => write!(formatter, "the connection's purpose {number} is not known"),
            Self::Version(version) => write!(
                formatter,
                "the connection speaks version {version} of the protocol; this build speaks version {}",
                Preamble::VERSION
            ),
        }
    }
}

impl std::error::Error for PreambleError {}

impl Preamble {
    /// Length of the byte form.
    pub const LEN: usize = 80;

    /// The version this build speaks.
    pub const VERSION: u16 = 1;

    /// A preamble of this build's version.
    pub fn new(purpose: Purpose, target: [u8; 28], source: [u8; 28], connection: u64, job: JobId) -> Self {
        Self { version: Self::VERSION, purpose, target, source, connection, job }
    }

    /// One from a node to another, or to the control service when `target` is nobody's (`NodeId::new([0; 28])`).
    pub fn between_nodes(purpose: Purpose, target: NodeId, source: NodeId, connection: u64) -> Self {
        Self::new(purpose, *target.as_bytes(), *source.as_bytes(), connection, JobId::new([0; 4]))
    }

    /// One from a process to another process of the same job.
    pub fn between_processes(target: WorkerId, source: WorkerId, connection: u64, job: JobId) -> Self {
        Self::new(Purpose::Peer, *target.as_bytes(), *source.as_bytes(), connection, job)
    }

    /// The byte form.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10..12].copy_from_slice(&(self.purpose as u16).to_le_bytes());
        bytes[12..40].copy_from_slice(&self.target);
        bytes[40..68].copy_from_slice(&self.source);
        bytes[68..76].copy_from_slice(&self.connection.to_le_bytes());
        bytes[76..].copy_from_slice(self.job.as_bytes());
        bytes
    }

    /// Reads the byte form. Another version is refused, save for `Join`, where the exchange that follows names both versions.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, PreambleError> {
        if !may_begin(bytes) {
            return Err(PreambleError::Magic);
        }
        let version = u16::from_le_bytes(part(bytes, 8));
        let number = u16::from_le_bytes(part(bytes, 10));
        let purpose = Purpose::from_number(number).ok_or(PreambleError::Purpose(number))?;
        if version != Self::VERSION && purpose != Purpose::Join {
            return Err(PreambleError::Version(version));
        }
        Ok(Self {
            version,
            purpose,
            target: part(bytes, 12),
            source: part(bytes, 40),
            connection: u64::from_le_bytes(part(bytes, 68)),
            job: JobId::new(part(bytes, 76)),
        })
    }
}

/// Whether these first bytes of a connection, however few, may become a preamble.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic)
}

/// `LEN` bytes from `start` on, which lie inside of the preamble.
fn part<const LEN: usize>(bytes: &[u8; Preamble::LEN], start: usize) -> [u8; LEN] {
    let mut part = [0; LEN];
    part.copy_from_slice(&bytes[start..start + LEN]);
    part
}

#[cfg(test)]
mod tests;
