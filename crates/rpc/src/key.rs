//! The cluster's key: a secret that lets a machine join, and the fingerprint of the authority it may trust.

use crate::files::{ReadError, read_private, write_private};
use crate::names::{from_hex, hex};
use ring::rand::SecureRandom as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const PREFIX: &str = "trygon1:";

/// What a machine needs to join a cluster. Its text form is `trygon1:SECRET:FINGERPRINT`, both in hexadecimal.
///
/// The secret never travels: a joining machine proves that it knows it.
#[derive(Clone)]
pub struct ClusterKey {
    secret: Zeroizing<[u8; 32]>,
    authority_fingerprint: [u8; 32],
}

impl ClusterKey {
    /// A key with a new random secret for the authority with this fingerprint (SHA-256 of its certificate).
    pub fn generate(authority_fingerprint: [u8; 32]) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        ring::rand::SystemRandom::new().fill(&mut *secret).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self { secret, authority_fingerprint })
    }

    /// Reads the text form; spaces and line ends around it are ignored.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let (secret, fingerprint) =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).ok_or(KeyError::Malformed)?;
        Ok(Self {
            secret: Zeroizing::new(from_hex(secret).ok_or(KeyError::Malformed)?),
            authority_fingerprint: from_hex(fingerprint).ok_or(KeyError::Malformed)?,
        })
    }

    /// Reads a key file. Refused when anybody but its owner may read it.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(read_private(path).map_err(|error| match error {
            ReadError::Io(error) => KeyError::File { path: path.to_owned(), error },
            ReadError::Exposed(mode) => KeyError::Exposed { path: path.to_owned(), mode },
        })?);
        let malformed = || KeyError::MalformedFile { path: path.to_owned() };
        Self::from_text(std::str::from_utf8(&bytes).map_err(|_| malformed())?).map_err(|_| malformed())
    }

    /// Writes the key to a file with mode 0600, replacing what is there.
    pub fn write_file(&self, path: &Path) -> Result<(), KeyError> {
        let mut text = self.to_text();
        text.push('\n');
        write_private(path, text.as_bytes()).map_err(|error| KeyError::File { path: path.to_owned(), error })
    }

    /// The text form. It is a secret: for a file or a person who asked for it, never for a log.
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex(&*self.secret));
        // All of its room at once, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 64 + 1 + 64 + 1));
        text.push_str(PREFIX);
        text.push_str(&secret);
        text.push(':');
        text.push_str(&hex(&self.authority_fingerprint));
        text
    }

    /// SHA-256 of the certificate of the cluster's authority. Not a secret.
    pub fn authority_fingerprint(&self) -> &[u8; 32] {
        &self.authority_fingerprint
    }

    /// The secret as the key of a message authentication code.
    pub(crate) fn hmac_key(&self) -> ring::hmac::Key {
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &*self.secret)
    }
}

impl std::fmt::Debug for ClusterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ClusterKey(authority {}, secret not shown)", hex(&self.authority_fingerprint[..8]))
    }
}

/// Why there is no cluster key.
#[derive(Debug)]
pub enum KeyError {
    /// The text is no key. The text itself is not repeated: it may be a secret with a typing error.
    Malformed,
    /// The file's content is no key.
    MalformedFile {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the file.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system gave no random bytes.
    NoRandomness,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHAPE: &str = "a key is one line, trygon1:<64 hexadecimal digits>:<64 hexadecimal digits>";
        match self {
            Self::Malformed => {
                write!(formatter, "the given cluster key is not one; {SHAPE}, as in the head's key file")
            }
            Self::MalformedFile { path } => write!(
                formatter,
                "the file {} holds no cluster key; {SHAPE}. Copy the key file from the head again",
                path.display()
            ),
            Self::Exposed { path, mode } => write!(
                formatter,
                "the cluster key file {} may be read by others (mode {mode:04o}), so it is not used; run: chmod 600 {}",
                path.display(),
                path.display()
            ),
            Self::File { path, error } => write!(
                formatter,
                "the cluster key file {} cannot be used: {error}. Copy it from the head, or give its path or the key itself",
                path.display()
            ),
            Self::NoRandomness => formatter.write_str("the system gives no random bytes, so no key can be made"),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests;
