//! The one macro behind every message with a protobuf body.

/// Defines messages: each field with its protobuf attribute.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $field_name:ident: $type:ty,)* })*) => {
        $($(#[$doc])* #[derive(Clone, PartialEq, prost::Message)] pub struct $name { $($(#[$field])* pub $field_name: $type,)* })*
    };
}

pub(crate) use messages;
