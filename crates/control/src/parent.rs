//! The socket between the control service and the daemon that started it: one message each packet, a connection beside it.
//!
//! The daemon owns the port; it hands on connections that passed its preamble. Both ends are here, so that they fit.

#[cfg(test)]
mod tests;

use crate::options::{ControlCertificate, ControlOptions};
use prost::Message as _;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use trygon_ids::NodeId;

/// More than any packet takes.
const MAX_PACKET: usize = 64 << 10;

/// From the daemon.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ToControl {
    #[prost(oneof = "to_control::Body", tags = "1, 2, 3, 4, 5")]
    pub(crate) body: Option<to_control::Body>,
}

/// The kinds of [`ToControl`].
pub(crate) mod to_control {
    /// One of them.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Body {
        /// The first one: what it is to be.
        #[prost(message, tag = "1")]
        Start(crate::options::ControlOptions),
        /// Beside it lies a connection from this node, on which TLS is next.
        #[prost(bytes, tag = "2")]
        Node(Vec<u8>),
        /// Beside it lies a connection that the daemon made itself: this node, without TLS.
        #[prost(bytes, tag = "3")]
        Local(Vec<u8>),
        /// Its certificate from now on.
        #[prost(message, tag = "4")]
        Renew(crate::options::ControlCertificate),
        /// Beside it lies a connection on which this node renews its lease; TLS is next.
        #[prost(bytes, tag = "5")]
        Lease(Vec<u8>),
    }
}

/// From the control service.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FromControl {
    #[prost(oneof = "from_control::Body", tags = "1, 2, 3")]
    pub(crate) body: Option<from_control::Body>,
}

/// The kinds of [`FromControl`].
pub(crate) mod from_control {
    /// One of them.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Body {
        /// It serves.
        #[prost(message, tag = "1")]
        Ready(crate::parent::Ready),
        /// It ends.
        #[prost(message, tag = "2")]
        Failed(crate::parent::Failed),
        /// Something that people should know.
        #[prost(string, tag = "3")]
        Note(String),
    }
}

/// It serves; what it was before, it is again.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Ready {
    /// Where its journal is, for people.
    #[prost(string, tag = "1")]
    pub place: String,
    /// Events that were taken in again, besides a snapshot.
    #[prost(uint64, tag = "2")]
    pub replayed: u64,
    /// Nodes that it waits for.
    #[prost(uint32, tag = "3")]
    pub members: u32,
}

/// It ends.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Failed {
    /// Why, for people.
    #[prost(string, tag = "1")]
    pub message: String,
    /// Whether starting it again is of no use, or harmful.
    #[prost(bool, tag = "2")]
    pub is_final: bool,
}

/// What the control service says to its daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It serves.
    Ready(Ready),
    /// It ends.
    Failed(Failed),
    /// Something that people should know, one line.
    Note(String),
    /// The process is gone.
    Ended,
}

/// The daemon's end. Nothing here blocks.
#[derive(Debug)]
pub struct ControlSocket(OwnedFd);

impl ControlSocket {
    /// The daemon's end, and the one that the process `trygon control` is to inherit as descriptor 3.
    ///
    /// # Errors
    /// When the system gives no sockets.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self(ours), theirs))
    }

    /// Says what it is to be; the first thing to do.
    ///
    /// # Errors
    /// When it is gone.
    pub fn start(&self, options: ControlOptions) -> io::Result<()> {
        self.say(to_control::Body::Start(options), None)
    }

    /// Hands on a connection with the purpose `control` that this node opened (its preamble's source).
    ///
    /// # Errors
    /// When it is gone, or takes nothing at the moment; the node tries again.
    pub fn pass(&self, source: NodeId, connection: &OwnedFd) -> io::Result<()> {
        self.say(to_control::Body::Node(source.as_bytes().to_vec()), Some(connection.as_fd()))
    }

    /// Hands on a connection with the purpose `lease` that this node opened.
    ///
    /// # Errors
    /// As `pass`.
    pub fn pass_lease(&self, source: NodeId, connection: &OwnedFd) -> io::Result<()> {
        self.say(to_control::Body::Lease(source.as_bytes().to_vec()), Some(connection.as_fd()))
    }

    /// Another descriptor of the same socket, for another thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Hands on one end of a socket pair for the daemon itself, which is this node. No TLS is spoken on it.
    ///
    /// # Errors
    /// As `pass`.
    pub fn pass_local(&self, node: NodeId, connection: &OwnedFd) -> io::Result<()> {
        self.say(to_control::Body::Local(node.as_bytes().to_vec()), Some(connection.as_fd()))
    }

    /// Gives it another certificate, for connections from now on.
    ///
    /// # Errors
    /// As `pass`.
    pub fn renew(&self, certificate: ControlCertificate) -> io::Result<()> {
        self.say(to_control::Body::Renew(certificate), None)
    }

    /// What it says, if it said something; to be called when the descriptor is readable.
    ///
    /// # Errors
    /// When it does not keep to the protocol.
    pub fn receive(&self) -> io::Result<Option<Report>> {
        let packet = match receive(self.0.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        };
        let Some((packet, _)) = packet else { return Ok(Some(Report::Ended)) };
        let message = FromControl::decode(packet.as_slice()).map_err(io::Error::other)?;
        Ok(message.body.map(|body| match body {
            from_control::Body::Ready(ready) => Report::Ready(ready),
            from_control::Body::Failed(failed) => Report::Failed(failed),
            from_control::Body::Note(note) => Report::Note(note),
        }))
    }

    fn say(&self, body: to_control::Body, beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
        send(self.0.as_fd(), &ToControl { body: Some(body) }.encode_to_vec(), beside)
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends one packet, with a descriptor beside it.
pub(crate) fn send(socket: BorrowedFd<'_>, packet: &[u8], beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = beside.into_iter().collect();
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    sendmsg(socket, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one packet and what lies beside it; `None` when the other end is gone.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut packet = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut read = || recvmsg(socket, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let received = match read() {
        // The other end went without reading everything. That is told once, and before what it had said itself.
        Err(rustix::io::Errno::CONNRESET) => read()?,
        received => received?,
    };
    let mut beside = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            beside = beside.or(descriptors.last());
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    packet.truncate(received.bytes);
    packet.shrink_to_fit();
    Ok(Some((packet, beside)))
}
