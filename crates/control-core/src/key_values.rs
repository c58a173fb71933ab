//! Small values under keys, in namespaces.

use std::collections::BTreeMap;

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyValueAnswer {
    /// Whether the key was there before.
    pub existed: bool,
    /// Its value, for `get`.
    pub value: Vec<u8>,
    /// Keys, for `list`.
    pub keys: Vec<Vec<u8>>,
}

/// Every key of every namespace.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct KeyValues {
    namespaces: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl KeyValues {
    /// Does `operation`: `get`, `put`, `delete`, `exists` or `list`. An unknown one answers like a key that is not there.
    pub fn call(
        &mut self,
        operation: &str,
        namespace: &str,
        key: Vec<u8>,
        value: Vec<u8>,
        overwrite: bool,
    ) -> KeyValueAnswer {
        let mut answer = KeyValueAnswer::default();
        let old = self.namespaces.get(namespace).and_then(|keys| keys.get(&key));
        answer.existed = old.is_some();
        match operation {
            "get" => answer.value = old.cloned().unwrap_or_default(),
            "put" if !answer.existed || overwrite => {
                self.namespaces.entry(namespace.to_owned()).or_default().insert(key, value);
            }
            "delete" => self.delete(namespace, &key),
            "list" => answer.keys = self.with_prefix(namespace, &key),
            _ => {}
        }
        answer
    }

    /// Deletes every key of a namespace that begins with `prefix`.
    pub fn delete_all(&mut self, namespace: &str, prefix: &[u8]) {
        for key in self.with_prefix(namespace, prefix) {
            self.delete(namespace, &key);
        }
    }

    /// Every namespace, key and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        let namespaces = self.namespaces.iter();
        namespaces.flat_map(|(namespace, keys)| {
            keys.iter().map(move |(key, value)| (namespace.as_str(), key.as_slice(), value.as_slice()))
        })
    }

    fn delete(&mut self, namespace: &str, key: &[u8]) {
        if let Some(keys) = self.namespaces.get_mut(namespace) {
            keys.remove(key);
            if keys.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    fn with_prefix(&self, namespace: &str, prefix: &[u8]) -> Vec<Vec<u8>> {
        let Some(keys) = self.namespaces.get(namespace) else {
            return Vec::new();
        };
        keys.range(prefix.to_vec()..).map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyValues;

    #[test]
    fn calls_do_what_they_say() {
        let mut table = KeyValues::default();
        assert!(!table.call("put", "n", b"ab".to_vec(), b"1".to_vec(), false).existed);
        assert!(table.call("put", "n", b"ab".to_vec(), b"2".to_vec(), false).existed);
        assert_eq!(table.call("get", "n", b"ab".to_vec(), vec![], false).value, b"1");
        table.call("put", "n", b"ab".to_vec(), b"3".to_vec(), true);
        table.call("put", "n", b"b".to_vec(), b"4".to_vec(), true);
        assert_eq!(table.call("get", "n", b"ab".to_vec(), vec![], false).value, b"3");
        assert_eq!(table.call("list", "n", b"a".to_vec(), vec![], false).keys, [b"ab".to_vec()]);
        assert!(!table.call("exists", "other", b"ab".to_vec(), vec![], false).existed);
        assert!(table.call("delete", "n", b"ab".to_vec(), vec![], false).existed);
        assert!(!table.call("exists", "n", b"ab".to_vec(), vec![], false).existed);
    }

    #[test]
    fn keys_with_one_beginning_go_together() {
        let mut table = KeyValues::default();
        for key in [&b"a:1"[..], b"a:2", b"b:1"] {
            table.call("put", "n", key.to_vec(), vec![1], true);
        }
        table.delete_all("n", b"a:");
        assert_eq!(table.call("list", "n", vec![], vec![], false).keys, [b"b:1".to_vec()]);
        table.delete_all("other", b"");
    }
}
