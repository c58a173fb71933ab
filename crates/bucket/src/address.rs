//! What a place is called: `s3://BUCKET/PREFIX`.

/// What an address of this crate begins with.
const SCHEME: &str = "s3://";

/// Whether a place is named as one of this crate's, or as some other that is no folder.
pub fn is_remote(place: &str) -> bool {
    place.contains("://")
}

/// A bucket, and what all keys in it begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: String,
    /// Without slashes at its ends; may be empty.
    pub(crate) prefix: String,
}

impl Address {
    /// Reads an address; says what is wrong with it otherwise. What may be a password is not repeated.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            let scheme = text.split("://").next().unwrap_or_default();
            return Err(format!("objects are written to folders and to s3://BUCKET/PREFIX, not to {scheme}://"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.contains('@') {
            return Err("an address s3://BUCKET/PREFIX has no key and no password in it: give them to the daemon as \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned());
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if bucket.is_empty() || !bucket.bytes().all(is_allowed) {
            return Err(format!("{text:?} names no bucket: it must be like s3://BUCKET/PREFIX"));
        }
        let prefix = prefix.trim_matches('/').to_owned();
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'?' | b'#' | b'\\' | b'%');
        if prefix.split('/').any(|part| (part.is_empty() && !prefix.is_empty()) || part == "." || part == "..")
            || !prefix.bytes().all(is_plain)
        {
            return Err(format!(
                "{text:?} is no address: the prefix has names with `/` between them, without ?, #, % or `..`"
            ));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_bucket_and_a_prefix() {
        let read = |text| Address::read(text).map(|address| (address.bucket, address.prefix));
        assert_eq!(read("s3://data"), Ok(("data".to_owned(), String::new())));
        assert_eq!(read("s3://data.of-us/"), Ok(("data.of-us".to_owned(), String::new())));
        assert_eq!(read("s3://data/a/b/"), Ok(("data".to_owned(), "a/b".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_said_and_no_password() {
        for (text, part) in [
            ("gs://data", "not to gs://"),
            ("s3://", "names no bucket"),
            ("s3://a b/c", "names no bucket"),
            ("s3://data/../c", "no address"),
            ("s3://data/a//c", "no address"),
            ("s3://data/a?key=1", "no address"),
            ("s3://key:geheim@data/a", "AWS_ACCESS_KEY_ID"),
        ] {
            let error = Address::read(text).expect_err(text);
            assert!(error.contains(part) && !error.contains("geheim"), "{error}");
        }
    }
}
