//! `trygon explain`: what something is, how it is, and why.

use crate::cluster::args::Explain;
use crate::cluster::connection::connect;
use crate::cluster::nodes::{amounts, list, text};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Fewest digits: with fewer, an id that people mean is likely to be another's.
const LEAST_DIGITS: usize = 4;

/// Explains what has an id.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, String> {
    let id = checked(&explain.id)?;
    let found = connect(&explain.at)?.ask("explain", &id)?;
    let things = list(&found);
    let exact: Vec<&Value> = things.iter().filter(|thing| text(&thing["id"]) == id).collect();
    let meant = if exact.is_empty() { things.iter().collect() } else { exact };
    match meant.as_slice() {
        [] => Err(format!("nothing in this cluster has an id that begins with {id}")),
        [thing] => {
            if explain.json {
                println!("{thing}");
            } else {
                print!("{}", render(thing));
            }
            Ok(ExitCode::SUCCESS)
        }
        several => {
            let shown: Vec<String> = several.iter().map(|thing| headline(thing)).collect();
            Err(format!("{id} is ambiguous; give more digits:\n  {}", shown.join("\n  ")))
        }
    }
}

fn checked(id: &str) -> Result<String, String> {
    let id = id.trim().to_ascii_lowercase();
    if id.len() < LEAST_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("an id is hexadecimal digits, {LEAST_DIGITS} of them at least, and {id:?} is none"));
    }
    Ok(id)
}

fn headline(thing: &Value) -> String {
    let words = [text(&thing["kind"]).replace('_', " "), text(&thing["name"]), text(&thing["id"])];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn render(thing: &Value) -> String {
    let mut out = headline(thing) + "\n";
    let rows = thing.as_object().into_iter().flatten();
    for (key, value) in rows.filter(|(key, _)| !matches!(key.as_str(), "kind" | "id" | "name" | "considered")) {
        let shown = match value {
            Value::String(value) => value.clone(),
            Value::Object(named) => amounts(named),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if !shown.is_empty() {
            let _ = writeln!(out, "  {:12} {shown}", key.replace('_', " "));
        }
    }
    for node in list(&thing["considered"]) {
        let id = text(&node["node_id"]);
        let _ = writeln!(out, "  node {}: {}", id.get(..12).unwrap_or(&id), text(&node["why"]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{checked, render};

    #[test]
    fn what_is_known_is_shown() {
        let shown = render(&serde_json::json!({
            "kind": "placement_group", "id": "00ff", "name": "g", "state": "PENDING", "why": "no node has 8 CPU",
            "needs": {"CPU": 8.0}, "node_id": "", "considered": [{"node_id": "aabbccddeeff00", "why": "has 4 CPU"}],
        }));
        for part in ["placement group g 00ff", "PENDING", "no node has 8 CPU", "CPU: 8", "node aabbccddeeff: has 4 CPU"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("node id"), "{shown}");
    }

    #[test]
    fn an_id_is_digits() {
        assert_eq!(checked(" 00FF12 "), Ok("00ff12".to_owned()));
        assert!(checked("00f").is_err() && checked("actor").is_err());
    }
}
