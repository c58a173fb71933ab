//! Functions and key-value pairs in a snapshot: small values as they are, large ones by their digests.

use crate::storage::{Digest, LARGE_BYTES, Large, digest_of};
use std::collections::BTreeMap;
use trygon_control_core::{Functions, KeyValues};

/// A value in a snapshot.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Value {
    Here(Vec<u8>),
    Beside(Digest),
}

/// Both tables.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Tables {
    functions: Vec<(Vec<u8>, Value)>,
    key_values: Vec<(String, Vec<u8>, Value)>,
}

impl Tables {
    /// The tables, and the large values in them, each once.
    pub(super) fn of<'a>(functions: &'a Functions, key_values: &'a KeyValues) -> (Self, Vec<Large<'a>>) {
        let mut large: BTreeMap<Digest, &'a [u8]> = BTreeMap::new();
        let mut value = |bytes: &'a [u8]| {
            if bytes.len() < LARGE_BYTES {
                return Value::Here(bytes.to_vec());
            }
            let digest = digest_of(bytes);
            large.insert(digest, bytes);
            Value::Beside(digest)
        };
        let functions = functions.iter().map(|(hash, body)| (hash.to_vec(), value(body))).collect();
        let pairs = key_values.iter();
        let key_values = pairs.map(|(namespace, key, bytes)| (namespace.to_owned(), key.to_vec(), value(bytes)));
        let tables = Self { functions, key_values: key_values.collect() };
        (tables, large.into_iter().map(|(digest, bytes)| Large { digest, bytes }).collect())
    }

    /// The tables again.
    pub(super) fn restore(self, large: Vec<(Digest, Vec<u8>)>) -> Result<(Functions, KeyValues), String> {
        let large: BTreeMap<Digest, Vec<u8>> = large.into_iter().collect();
        let bytes = |value: Value| match value {
            Value::Here(bytes) => Ok(bytes),
            Value::Beside(digest) => {
                large.get(&digest).cloned().ok_or_else(|| "the head's state lacks a large value".to_owned())
            }
        };
        let (mut functions, mut key_values) = (Functions::default(), KeyValues::default());
        for (hash, value) in self.functions {
            functions.put(hash, bytes(value)?);
        }
        for (namespace, key, value) in self.key_values {
            key_values.call("put", &namespace, key, bytes(value)?, true);
        }
        Ok((functions, key_values))
    }
}
