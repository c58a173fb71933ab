//! How a story is told: named lines for people, and the same as data.

use crate::session::time_text;
use serde_json::{Map, Value, json};
use trygon_error::class_and_code;

/// A story in the making.
#[derive(Debug)]
pub(crate) struct Telling {
    members: Map<String, Value>,
    lines: Vec<Value>,
}

impl Telling {
    pub(crate) fn new(kind: &str, id: &str, name: &str) -> Self {
        let mut members = Map::new();
        for (key, value) in [("kind", kind), ("id", id), ("name", name)] {
            members.insert(key.to_owned(), value.into());
        }
        Self { members, lines: Vec::new() }
    }

    /// Data that people do not see, or see in a line.
    pub(crate) fn put(&mut self, key: &str, value: Value) {
        self.members.insert(key.to_owned(), value);
    }

    /// A line.
    pub(crate) fn line(&mut self, label: &str, text: impl Into<String>) {
        self.lines.push(json!([label, text.into()]));
    }

    /// A line that is data by the same name.
    pub(crate) fn say(&mut self, key: &str, text: impl Into<String>) {
        let text = text.into();
        self.line(key, text.clone());
        self.put(key, text.into());
    }

    /// The story.
    pub(crate) fn finish(mut self) -> Value {
        self.members.insert("lines".to_owned(), Value::Array(self.lines));
        Value::Object(self.members)
    }
}

/// An error in one line: its code, its class and what it says.
pub(crate) fn error_text(kind: &str, message: &str) -> String {
    let (class, code) = class_and_code(kind);
    let head = if code.is_empty() { class.to_owned() } else { format!("{code} {class}") };
    match (kind, message.is_empty()) {
        ("user", true) => format!("{head}: its code raised; get() of its result raises it again"),
        (_, true) => head,
        (_, false) => format!("{head}: {message}"),
    }
}

/// The same as data.
pub(crate) fn error_json(kind: &str, message: &str) -> Value {
    let (class, code) = class_and_code(kind);
    json!({ "class": class, "code": code, "message": message })
}

/// A time since the epoch, in UTC.
pub(crate) fn time(time_us: u64) -> String {
    format!("{} UTC", time_text(time_us / 1000))
}

/// A length as people read it.
pub(crate) fn bytes_text(size_bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| size_bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", size_bytes as f64 / *unit as f64),
        None => format!("{size_bytes} bytes"),
    }
}

/// A number and its noun.
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

/// Retries that are left.
pub(crate) fn retries(left: i32) -> String {
    match left {
        left if left < 0 => "retries without end".to_owned(),
        0 => "no retry left".to_owned(),
        1 => "1 retry left".to_owned(),
        left => format!("{left} retries left"),
    }
}
