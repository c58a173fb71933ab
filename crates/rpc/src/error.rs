//! Why a certificate could not be made or used.

/// Why a certificate could not be made, read or used.
#[derive(Debug)]
pub enum CertificateError {
    /// The cryptography underneath refused; the text says what.
    Crypto(String),
    /// A file of the authority cannot be read or written.
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The cluster's key.
    Key(crate::KeyError),
    /// What was asked for contradicts what is there.
    Refused(String),
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crypto(what) => write!(formatter, "the certificate cannot be made or read: {what}"),
            Self::File { path, error } => write!(formatter, "{}: {error}", path.display()),
            Self::Key(error) => error.fmt(formatter),
            Self::Refused(what) => formatter.write_str(what),
        }
    }
}

impl std::error::Error for CertificateError {}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

impl From<crate::KeyError> for CertificateError {
    fn from(error: crate::KeyError) -> Self {
        Self::Key(error)
    }
}
