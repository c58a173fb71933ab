//! Why something failed, for people: one sentence, without keys, signatures and addresses of requests.

use object_store::Error;
use object_store::client::HttpError;
use std::error::Error as _;
use std::io;

/// What a server says of itself is repeated up to here.
const MOST_CHARACTERS: usize = 300;

/// A connection failed, or could not be made.
#[derive(Debug)]
pub(crate) struct LinkError(String);

impl LinkError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The innermost reason of a request that failed on its way.
    pub(crate) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        match innermost.downcast_ref::<Self>() {
            Some(known) => Self(known.0.clone()),
            None => Self(format!("the connection was lost: {}", plain(innermost))),
        }
    }
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LinkError {}

/// An error's words without the system's number behind them.
pub(crate) fn plain(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// An error of a store as one of the system's: `NotFound` is final, everything else may be different the next time.
pub(crate) fn explain(error: &Error) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, sentence(error))
}

/// Whether it is of no use to try again.
pub(crate) fn is_final(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn sentence(error: &Error) -> String {
    let text = error.to_string();
    let said = [between(&text, "<Code>", "</Code>"), between(&text, "<Message>", "</Message>")];
    match said {
        [Some(code), Some(message)] if !message.is_empty() => {
            return short(&format!("the server said {code}: {message}"));
        }
        [Some(code), _] => return short(&format!("the server said {code}")),
        _ => {}
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(link) = inner.downcast_ref::<HttpError>().and_then(|http| http.source()) {
            return short(&link.to_string());
        }
        source = inner.source();
    }
    if let Some(status) = between(&text, "status code: ", ": ") {
        return short(&format!("the server answered {status}"));
    }
    if matches!(error, Error::NotFound { .. }) {
        return "it is not there".to_owned();
    }
    short(&text)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(found, _)| found).trim())
}

fn short(text: &str) -> String {
    text.chars().map(|found| if found.is_control() { ' ' } else { found }).take(MOST_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::{LinkError, explain, is_final};
    use object_store::Error;
    use object_store::client::{HttpError, HttpErrorKind};

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn what_the_server_says_is_repeated_without_the_rest() {
        let body = "Error performing PUT http://host/bucket/key - Server returned non-2xx status code: 403 Forbidden: \
                    <Error><Code>SignatureDoesNotMatch</Code><Message>The signature is wrong.</Message>\
                    <StringToSign>geheim</StringToSign></Error>";
        let error = explain(&generic(body));
        assert_eq!(error.to_string(), "the server said SignatureDoesNotMatch: The signature is wrong.");
        let error = explain(&generic("Server returned non-2xx status code: 503 Service Unavailable: "));
        assert_eq!(error.to_string(), "the server answered 503 Service Unavailable");
    }

    #[test]
    fn what_happened_on_the_way_is_said() {
        let link =
            HttpError::new(HttpErrorKind::Connect, LinkError::new("no connection to host:1: Connection refused"));
        let error = explain(&Error::Generic { store: "S3", source: Box::new(link) });
        assert_eq!(error.to_string(), "no connection to host:1: Connection refused");
        assert!(!is_final(&error));
        assert!(is_final(&explain(&Error::NotFound { path: "a".to_owned(), source: "gone".into() })));
    }
}
