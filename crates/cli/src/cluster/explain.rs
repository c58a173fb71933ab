//! `trygon explain`: what something is, how it is, and why.

use crate::cluster::args::Explain;
use crate::cluster::connection::{Connection, connect};
use crate::cluster::nodes::{list, needs, text};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Fewest digits of an id: with fewer, the one that people mean is likely to be another's.
const LEAST_DIGITS: usize = 4;
/// Where ids are to be found: the question, and the member with the id.
const PLACES: [(&str, &str); 4] =
    [("nodes", "NodeID"), ("actors", "actor_id"), ("placement_groups", "placement_group_id"), ("jobs", "job_id")];

/// Explains what goes by a name or an id.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, String> {
    let wanted = explain.what.trim();
    if trygon_error::is_code(wanted) {
        return explain_code(wanted, explain.json);
    }
    let mut connection = connect(&explain.at)?;
    let mut found = connection.ask("explain", wanted)?;
    if list(&found).is_empty() {
        found = by_beginning(&mut connection, wanted)?;
    }
    if explain.json {
        println!("{found}");
    } else {
        for thing in list(&found) {
            print!("{}", render(thing));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of an error's code; no cluster is asked.
fn explain_code(code: &str, as_json: bool) -> Result<ExitCode, String> {
    let Some(page) = trygon_error::page(code) else {
        let last = trygon_error::PAGES.last().map_or("", |(last, _)| last);
        return Err(format!("no error has the code {code:?}; the codes are TRY0001 to {last}"));
    };
    if as_json {
        let class = trygon_error::class_of(page).unwrap_or_default();
        let code = code.to_ascii_uppercase();
        println!("{}", serde_json::json!([{ "kind": "error", "id": code, "name": class, "page": page }]));
    } else {
        print!("{page}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The one thing whose id begins so.
fn by_beginning(connection: &mut Connection, wanted: &str) -> Result<Value, String> {
    let unknown = || format!("nothing in this cluster has the name {wanted:?} or an id that begins so");
    let digits = wanted.to_ascii_lowercase();
    if digits.len() < LEAST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let mut found: Vec<(&str, String, Value)> = Vec::new();
    for (place, member) in PLACES {
        for thing in list(&connection.ask(place, "")?) {
            let id = text(&thing[member]);
            if id.starts_with(&digits) {
                found.push((place, id, thing.clone()));
            }
        }
    }
    // Ids of actors begin with their jobs'.
    if found.iter().any(|(_, id, _)| *id == digits) {
        found.retain(|(_, id, _)| *id == digits);
    }
    match found.as_slice() {
        [] => Err(unknown()),
        [("jobs", id, job)] => {
            let mut job = job.clone();
            job["kind"] = "job".into();
            job["id"] = id.as_str().into();
            job["job_id"] = Value::Null;
            Ok(Value::Array(vec![job]))
        }
        [(_, id, _)] => connection.ask("explain", id),
        several => {
            let shown: Vec<String> = several.iter().map(|(place, id, _)| format!("{id} among the {place}")).collect();
            Err(format!("{wanted} is ambiguous; give more digits:\n  {}", shown.join("\n  ").replace('_', " ")))
        }
    }
}

fn headline(thing: &Value) -> String {
    let words = [text(&thing["kind"]).replace('_', " "), text(&thing["name"]), text(&thing["id"])];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn render(thing: &Value) -> String {
    let mut out = headline(thing) + "\n";
    let members = thing.as_object().into_iter().flatten();
    for (key, value) in members.filter(|(key, _)| !matches!(key.as_str(), "kind" | "id" | "name" | "bundles")) {
        let shown = match value {
            Value::String(value) => value.clone(),
            Value::Object(_) | Value::Array(_) => needs(value),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if !shown.is_empty() {
            let _ = writeln!(out, "  {:12} {shown}", key.replace('_', " "));
        }
    }
    for bundle in list(&thing["bundles"]) {
        let node = text(&bundle["node_id"]);
        let at = if node.is_empty() { String::new() } else { format!(" on node {}", node.get(..12).unwrap_or(&node)) };
        let _ =
            writeln!(out, "  bundle {}: {} {}{at}", bundle["index"], needs(&bundle["needs"]), text(&bundle["state"]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn what_is_known_is_shown() {
        let shown = render(&serde_json::json!({
            "kind": "placement_group", "id": "00ff", "name": "g", "state": "PENDING", "why": "no node has 8 CPU",
            "needs": [{"CPU": 8.0}], "node_id": "",
            "bundles": [{"index": 0, "state": "RESERVED", "node_id": "aabbccddeeff00", "needs": {"CPU": 1.0}}],
        }));
        let parts = [
            "placement group g 00ff",
            "PENDING",
            "no node has 8 CPU",
            "CPU: 8",
            "0: CPU: 1 RESERVED on node aabbccddeeff",
        ];
        for part in parts {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("node id"), "{shown}");
    }
}
