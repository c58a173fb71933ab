//! Why a machine did not join, each with what to do about it.

use crate::dial::DialError;
use crate::error::CertificateError;
use crate::join::messages::Versions;
use crate::validity::utc_text;
use std::time::Duration;

/// Why this machine did not join.
#[derive(Debug)]
pub enum JoinError {
    /// No connection: a wrong address, a firewall, or no head there.
    Dial(DialError),
    /// The other side went silent after the connection was made.
    NoAnswer {
        /// Where.
        address: String,
        /// How long was waited.
        waited: Duration,
    },
    /// Something listens there that is no head of a Trygon cluster.
    NotAHead {
        /// Where.
        address: String,
        /// What it did.
        detail: String,
    },
    /// The head is of another cluster than the key.
    OtherCluster {
        /// Where.
        address: String,
    },
    /// The head is the right one, the secret is not.
    WrongKey {
        /// Where.
        address: String,
    },
    /// The two sides run different versions.
    Versions {
        /// Where the head is.
        address: String,
        /// The head's versions.
        head: Box<Versions>,
        /// This machine's versions.
        own: Box<Versions>,
    },
    /// The two clocks differ by more than certificates allow.
    Clock {
        /// Where the head is.
        address: String,
        /// The head's clock, seconds since 1970.
        head_s: i64,
        /// This machine's clock, seconds since 1970.
        own_s: i64,
    },
    /// TLS failed for another reason.
    Tls {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// The head refused for a reason of its own.
    Refused {
        /// Where.
        address: String,
        /// Its words.
        reason: String,
    },
    /// This machine cannot make its key, or the head's certificate does not fit.
    Certificate(CertificateError),
}

impl JoinError {
    /// Whether trying again later may help: the head may not have started yet, or the network fails for a moment.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Dial(DialError::Refused { .. } | DialError::NoAnswer { .. }) | Self::NoAnswer { .. })
    }
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(formatter),
            Self::NoAnswer { address, waited } => write!(
                formatter,
                "{address} accepts connections but did not answer within {:.1} s. Check that the head there is alive (trygon status)",
                waited.as_secs_f64()
            ),
            Self::NotAHead { address, detail } => write!(
                formatter,
                "what listens at {address} is not the head of a Trygon cluster: {detail}. Give the address that trygon start --head printed"
            ),
            Self::OtherCluster { address } => write!(
                formatter,
                "the head at {address} is of another cluster than the cluster key. Copy the key file from that head again, or check the address"
            ),
            Self::WrongKey { address } => write!(
                formatter,
                "the head at {address} refuses the cluster key: its secret has been changed. Copy the key file from the head again"
            ),
            Self::Versions { address, head, own } => write!(
                formatter,
                "the versions differ: the head at {address} runs {}, this machine {}. Install the head's versions here",
                head.describe(),
                own.describe()
            ),
            Self::Clock { address, head_s, own_s } => write!(
                formatter,
                "the clocks differ by {} s: the head at {address} says {}, this machine {}. Set both clocks (for example with NTP)",
                head_s.abs_diff(*own_s),
                utc_text(*head_s),
                utc_text(*own_s)
            ),
            Self::Tls { address, reason } => write!(formatter, "no secure connection with {address}: {reason}"),
            Self::Refused { address, reason } => write!(formatter, "the head at {address} refuses this node: {reason}"),
            Self::Certificate(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<CertificateError> for JoinError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl From<DialError> for JoinError {
    fn from(error: DialError) -> Self {
        Self::Dial(error)
    }
}

/// Why a head did not let a machine join, for the head's log.
#[derive(Debug)]
pub enum ServeJoinError {
    /// It does not know the secret.
    WrongKey,
    /// Its versions are others.
    Versions {
        /// The machine's versions.
        node: Versions,
        /// The head's versions.
        own: Versions,
    },
    /// Its clock differs too much.
    Clock {
        /// The machine's clock, seconds since 1970.
        node_s: i64,
        /// The head's clock, seconds since 1970.
        own_s: i64,
    },
    /// The head does not admit it, for this reason.
    NotAdmitted(String),
    /// What it sent is no request.
    Malformed(&'static str),
    /// The connection failed; also whatever is no machine that wants to join.
    Io(std::io::Error),
    /// No certificate could be made.
    Certificate(CertificateError),
}

impl std::fmt::Display for ServeJoinError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WrongKey => formatter.write_str("a machine with a wrong cluster key tried to join"),
            Self::Versions { node, own } => write!(
                formatter,
                "a machine that runs {} tried to join; this head runs {}",
                node.describe(),
                own.describe()
            ),
            Self::Clock { node_s, own_s } => write!(
                formatter,
                "a machine whose clock says {} tried to join; this head's clock says {}",
                utc_text(*node_s),
                utc_text(*own_s)
            ),
            Self::NotAdmitted(reason) => formatter.write_str(reason),
            Self::Malformed(what) => write!(formatter, "a machine tried to join with a malformed request: {what}"),
            Self::Io(error) => write!(formatter, "a joining was not finished: {error}"),
            Self::Certificate(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ServeJoinError {}

impl From<std::io::Error> for ServeJoinError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CertificateError> for ServeJoinError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl From<rustls::Error> for ServeJoinError {
    fn from(error: rustls::Error) -> Self {
        Self::Io(std::io::Error::other(error))
    }
}
