//! The head's side.

use crate::authority::Authority;
use crate::join::error::ServeJoinError;
use crate::join::messages::{Facts, Refusal, Reply, Request, Versions, is_proven, receive, send};
use crate::key::ClusterKey;
use crate::stream::TimedStream;
use crate::tls::{certified, finish_server, server_builder};
use crate::validity::unix_s;
use prost::Message as _;
use rustls::{ServerConnection, StreamOwned};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::NodeId;

/// How long the certificate that the head shows to a joining machine is valid.
pub(super) const SERVICE_LIFETIME: Duration = Duration::from_secs(3600);

/// How far the clocks of a node and the head may be apart. Two nodes may then be twice as far from each other, which certificates just bear.
const MAX_CLOCK_DIFFERENCE_S: u64 = 25 * 60;

/// A machine that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The id it chose, which stands in its certificate.
    pub node: NodeId,
    /// What it runs.
    pub versions: Versions,
}

/// What the head decided on a request.
pub(super) enum Answer {
    Accept(Joined, crate::node_certificate::IssuedNode),
    Refuse(Refusal, ServeJoinError),
}

#[cfg(fuzzing)]
impl Answer {
    pub(super) fn accepted(self) -> Option<(Joined, crate::node_certificate::IssuedNode)> {
        match self {
            Self::Accept(joined, issued) => Some((joined, issued)),
            Self::Refuse(..) => None,
        }
    }
}

/// What a machine that wants to join is measured by, and what it gets.
#[derive(Debug, Clone, Copy)]
pub struct JoinTerms<'a> {
    /// Holds the secret that the machine has to know.
    pub key: &'a ClusterKey,
    /// Issues its certificate.
    pub authority: &'a Authority,
    /// What it has to fit.
    pub versions: &'a Versions,
    /// The time now.
    pub now: SystemTime,
    /// How long the certificate is valid.
    pub lifetime: Duration,
    /// How long the whole exchange may take.
    pub patience: Duration,
}

/// Lets the machine at the other end of `socket` (an `Incoming` of purpose `Join`) join, when it knows the secret and fits, and `admit` says nothing
/// against it: its refusal is a sentence for the person there. Blocks for the terms' patience at most, so it is called on a thread for the
/// purpose, of which the caller bounds the number.
///
/// A machine chooses its id itself. A head that refuses ids which begin with the same 20 bytes as a known node's keeps one machine with the
/// key from speaking for the processes of another. An error is for the log: the machine itself has been told.
pub fn serve_join(
    socket: OwnedFd,
    terms: &JoinTerms<'_>,
    admit: impl FnOnce(&Joined) -> Result<(), String>,
) -> Result<Joined, ServeJoinError> {
    let JoinTerms { key, authority, versions, now, patience, .. } = *terms;
    let socket = TcpStream::from(socket);
    socket.set_nonblocking(false)?;
    let service = authority.issue_control(now, SERVICE_LIFETIME)?;
    // The machine knows the authority's fingerprint only, so it is shown the certificate.
    let chain = vec![service.chain()[0].clone(), authority.certificate().clone()];
    let config = server_builder()?.with_no_client_auth().with_cert_resolver(certified(chain, &service)?);
    let connection = ServerConnection::new(Arc::new(finish_server(config)))?;
    let mut stream = StreamOwned::new(connection, TimedStream::new(socket, Instant::now() + patience));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let request: Request = receive(&mut stream)?;
    let is_proven = is_proven(&stream.conn, key, &request)?;
    let answer = if is_proven {
        decide(&request, terms, admit)
    } else {
        Answer::Refuse(Refusal::WrongKey, ServeJoinError::WrongKey)
    };
    let mut reply = Reply { clock_s: unix_s(now), ..Reply::default() };
    // Who does not know the secret learns nothing but that.
    if is_proven {
        reply.versions = Some(versions.clone());
    }
    let result = match answer {
        Answer::Accept(joined, issued) => {
            reply.certificate = issued.certificate_der;
            reply.authority = issued.authority_der;
            Ok(joined)
        }
        Answer::Refuse(refusal, error) => {
            reply.refusal = refusal.into();
            reply.reason = if refusal == Refusal::Other { error.to_string() } else { String::new() };
            Err(error)
        }
    };
    send(&mut stream, &reply)?;
    stream.conn.send_close_notify();
    // The answer is on its way; whether the other side still hears the farewell does not matter.
    let _ = stream.conn.complete_io(&mut stream.sock);
    result
}

/// Decides on a request whose sender knows the secret.
pub(super) fn decide(
    request: &Request,
    terms: &JoinTerms<'_>,
    admit: impl FnOnce(&Joined) -> Result<(), String>,
) -> Answer {
    let JoinTerms { authority, versions: own, now, lifetime, .. } = *terms;
    let malformed = |what| Answer::Refuse(Refusal::Other, ServeJoinError::Malformed(what));
    let Ok(facts) = Facts::decode(request.facts.as_slice()) else { return malformed("no protobuf message") };
    let Ok(node) = NodeId::from_bytes(&facts.node) else { return malformed("the node's id is not of 28 bytes") };
    let versions = facts.versions.unwrap_or_default();
    if !own.is_compatible(&versions) {
        return Answer::Refuse(Refusal::Versions, ServeJoinError::Versions { node: versions, own: own.clone() });
    }
    let own_s = unix_s(now);
    if own_s.abs_diff(facts.clock_s) > MAX_CLOCK_DIFFERENCE_S {
        return Answer::Refuse(Refusal::Clock, ServeJoinError::Clock { node_s: facts.clock_s, own_s });
    }
    let joined = Joined { node, versions };
    if let Err(reason) = admit(&joined) {
        return Answer::Refuse(Refusal::Other, ServeJoinError::NotAdmitted(reason));
    }
    match authority.issue_for(node, &facts.public_key, now, lifetime) {
        Ok(issued) => Answer::Accept(joined, issued),
        Err(error) => Answer::Refuse(Refusal::Other, ServeJoinError::Certificate(error)),
    }
}
