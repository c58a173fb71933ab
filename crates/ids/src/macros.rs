//! The one macro behind every fixed-size identifier.

/// Defines an identifier of `$len` bytes with its byte, hex and nil forms.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length of the byte form.
            pub const LEN: usize = $len;

            /// The identifier with these bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The identifier that stands for "none": every byte is 0xff.
            pub const fn nil() -> Self {
                Self([0xff; $len])
            }

            /// Whether this stands for "none".
            pub fn is_nil(&self) -> bool {
                self.0 == [0xff; $len]
            }

            /// The byte form.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the byte form; fails when the length differs.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, $crate::IdError> {
                <[u8; $len]>::try_from(bytes).map(Self).map_err(|_| $crate::IdError {
                    kind: stringify!($name),
                    expected_len: $len,
                    actual_len: bytes.len(),
                })
            }

            /// The text form: lower-case hexadecimal.
            pub fn hex(&self) -> String {
                use std::fmt::Write as _;
                let mut text = String::with_capacity($len * 2);
                for byte in self.0 {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                text
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.hex())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.hex())
            }
        }
    };
}

pub(crate) use byte_id;
