//! The files of `crates/wire/snapshots`: a line with the version of the wire, then the frame in hex, 32 bytes a line.

use std::path::PathBuf;
use trygon_wire::{Kind, VERSION};

/// Where they lie.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

/// The file of a kind: its name in small letters, with underscores between the words.
pub(crate) fn file_name(kind: Kind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name + ".hex"
}

/// The text of a file.
pub(crate) fn to_text(frame: &[u8]) -> String {
    let mut text = format!("wire version {VERSION}\n");
    for line in frame.chunks(32) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

/// The frame in a file's text.
pub(crate) fn from_text(text: &str) -> Option<Vec<u8>> {
    let (version, lines) = text.split_once('\n')?;
    version.strip_prefix("wire version ")?.parse::<u8>().ok()?;
    let digits: Vec<u8> = lines.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
