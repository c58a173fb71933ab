//! What was found, for people.

use crate::answer::text;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Each thing with what is known of it, a line each.
pub fn render(things: &[Value]) -> String {
    things.iter().map(render_one).collect()
}

fn render_one(thing: &Value) -> String {
    if thing["kind"] == "error" {
        return text(&thing["page"]);
    }
    let mut out = headline(thing) + "\n";
    if let Some(lines) = thing["lines"].as_array() {
        for line in lines {
            let _ = writeln!(out, "  {:12} {}", text(&line[0]), text(&line[1]));
        }
        return out;
    }
    let members = thing.as_object().into_iter().flatten();
    let is_shown = |key: &str| !matches!(key, "kind" | "id" | "name" | "bundles" | "history");
    for (key, value) in members.filter(|(key, _)| is_shown(key)) {
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
    for bundle in thing["bundles"].as_array().into_iter().flatten() {
        let node = text(&bundle["node_id"]);
        let at = if node.is_empty() { String::new() } else { format!(" on node {}", node.get(..12).unwrap_or(&node)) };
        let _ =
            writeln!(out, "  bundle {}: {} {}{at}", bundle["index"], needs(&bundle["needs"]), text(&bundle["state"]));
    }
    for event in thing["history"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  {:12} {} {}", "history", text(&event["time"]), text(&event["what"]));
    }
    out
}

fn headline(thing: &Value) -> String {
    let words = [text(&thing["kind"]).replace('_', " "), text(&thing["name"]), text(&thing["id"])];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What something needs: named amounts, or several of them, or words.
pub fn needs(value: &Value) -> String {
    match value {
        Value::Object(named) if named.is_empty() => "nothing".to_owned(),
        Value::Object(named) => amounts(named),
        Value::Array(several) => several.iter().map(needs).collect::<Vec<_>>().join(" | "),
        other => text(other),
    }
}

/// Named amounts, for people.
fn amounts(named: &Map<String, Value>) -> String {
    const GIBIBYTE: f64 = (1_u64 << 30) as f64;
    let shown = |(name, amount): (&String, &Value)| {
        let amount = amount.as_f64().unwrap_or(0.0);
        if name.ends_with("memory") {
            format!("{name}: {:.2} GiB", amount / GIBIBYTE)
        } else {
            format!("{name}: {amount}")
        }
    };
    named.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
