//! A question to a daemon, and the parts of its answer.

use serde_json::Value;

/// Asks the daemon: what, and about which; the answer, or a sentence why there is none.
pub type Ask<'a> = &'a mut dyn FnMut(&str, &str) -> Result<Value, String>;

pub(crate) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
