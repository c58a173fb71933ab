//! Messages inside a snapshot: in the form in which they travel, so that an older head's snapshot can be read by a newer one.

/// One message.
pub(super) mod one {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::head) fn serialize<M: trygon_wire::Message, S: Serializer>(
        message: &M,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        message.encode_to_vec().serialize(serializer)
    }

    pub(in crate::head) fn deserialize<'de, M: trygon_wire::Message + Default, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<M, D::Error> {
        M::decode(Vec::deserialize(deserializer)?.as_slice()).map_err(serde::de::Error::custom)
    }
}

/// Messages by a key.
pub(super) mod by_key {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(in crate::head) fn serialize<K: Serialize, M: trygon_wire::Message, S: Serializer>(
        messages: &BTreeMap<K, M>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let encoded: Vec<(&K, Vec<u8>)> =
            messages.iter().map(|(key, message)| (key, message.encode_to_vec())).collect();
        encoded.serialize(serializer)
    }

    pub(in crate::head) fn deserialize<'de, K, M, D>(deserializer: D) -> Result<BTreeMap<K, M>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        M: trygon_wire::Message + Default,
        D: Deserializer<'de>,
    {
        let encoded: Vec<(K, Vec<u8>)> = Vec::deserialize(deserializer)?;
        let decode = |(key, bytes): (K, Vec<u8>)| M::decode(bytes.as_slice()).map(|message| (key, message));
        encoded.into_iter().map(decode).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}
