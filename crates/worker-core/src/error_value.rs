//! The byte form of an error that stands in place of a value: user code's, opaque, or the engine's, with named details.

/// An error raised by the engine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemError {
    /// Its kind: `worker_died`, `actor_died`, `owner_died`, ...
    pub kind: &'static str,
    /// Named details, for people and for the exception's fields.
    pub details: Vec<(&'static str, Vec<u8>)>,
}

impl SystemError {
    /// An error of this kind.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, details: Vec::new() }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.details.push((name, value.as_ref().to_vec()));
        self
    }

    /// The byte form.
    pub fn encode(&self) -> Box<[u8]> {
        let mut out = vec![SYSTEM];
        put(&mut out, self.kind.as_bytes());
        for (name, value) in &self.details {
            put(&mut out, name.as_bytes());
            put(&mut out, value);
        }
        out.into()
    }
}

const USER: u8 = 0;
const SYSTEM: u8 = 1;
/// User code's, after one line about it that the engine can read.
const DESCRIBED: u8 = 2;

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_le_bytes());
    out.extend_from_slice(field);
}

/// The byte form of an error that user code raised; `encoded` is opaque.
pub fn user_error(encoded: &[u8]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(encoded.len() + 1);
    out.push(USER);
    out.extend_from_slice(encoded);
    out.into()
}

/// The byte form of user code's error with a line for the log: whoever decides on another attempt says why, and cannot read the rest.
/// Errors of the engine stay as they are.
pub fn with_summary(error: Box<[u8]>, summary: &str) -> Box<[u8]> {
    let Some((&USER, encoded)) = error.split_first() else { return error };
    let mut out = Vec::with_capacity(summary.len() + encoded.len() + 5);
    out.push(DESCRIBED);
    put(&mut out, summary.as_bytes());
    out.extend_from_slice(encoded);
    out.into()
}

/// The line about an error that came with it.
pub fn error_summary(bytes: &[u8]) -> Option<&str> {
    let (tag, mut rest) = bytes.split_first()?;
    let summary = if *tag == DESCRIBED { take(&mut rest) } else { None };
    summary.and_then(|summary| std::str::from_utf8(summary).ok())
}

/// An error's byte form, read in place.
#[derive(Debug, PartialEq, Eq)]
pub enum ErrorView<'a> {
    /// User code's.
    User(&'a [u8]),
    /// The engine's.
    System {
        /// Its kind.
        kind: &'a str,
        /// Its details.
        details: Vec<(&'a str, &'a [u8])>,
    },
    /// Not an error's byte form.
    Malformed,
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(4)?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let (field, tail) = tail.split_at_checked(len)?;
    *rest = tail;
    Some(field)
}

/// Reads an error's byte form.
pub fn error_view(bytes: &[u8]) -> ErrorView<'_> {
    let Some((tag, mut rest)) = bytes.split_first() else { return ErrorView::Malformed };
    match *tag {
        USER => ErrorView::User(rest),
        DESCRIBED => match take(&mut rest) {
            Some(_) => ErrorView::User(rest),
            None => ErrorView::Malformed,
        },
        SYSTEM => {
            let Some(kind) = take(&mut rest).and_then(|kind| std::str::from_utf8(kind).ok()) else {
                return ErrorView::Malformed;
            };
            let mut details = Vec::new();
            while !rest.is_empty() {
                let (Some(name), Some(value)) = (take(&mut rest), take(&mut rest)) else { return ErrorView::Malformed };
                let Ok(name) = std::str::from_utf8(name) else { return ErrorView::Malformed };
                details.push((name, value));
            }
            ErrorView::System { kind, details }
        }
        _ => ErrorView::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_survive_and_garbage_is_refused() {
        let bytes = SystemError::new("worker_died").with("pid", "7").with("signal", "9").encode();
        let expected = vec![("pid", &b"7"[..]), ("signal", &b"9"[..])];
        assert_eq!(error_view(&bytes), ErrorView::System { kind: "worker_died", details: expected });
        for cut in 1..bytes.len() {
            let _ = error_view(&bytes[..cut]);
        }
        assert_eq!(error_view(&[9]), ErrorView::Malformed);
        assert_eq!(error_view(&user_error(b"x")), ErrorView::User(b"x"));
        let described = with_summary(user_error(b"x"), "ValueError: no");
        assert_eq!(error_view(&described), ErrorView::User(b"x"));
        assert_eq!(error_summary(&described), Some("ValueError: no"));
        assert_eq!(error_summary(&user_error(b"x")), None);
        assert_eq!(error_view(&described[..9]), ErrorView::Malformed);
    }
}
