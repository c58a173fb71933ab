//! What is said about nodes: shown to people, and found by what people call them.

use serde_json::Value;
use std::fmt::Write as _;

/// Digits of a node's id that are shown.
const SHOWN_DIGITS: usize = 12;

/// Every node with its state, its address, its name, what is in use of what it has, and its labels.
pub(super) fn render(out: &mut String, nodes: &[Value]) {
    let alive = nodes.iter().filter(|node| state(node) == "alive").count();
    let others = match nodes.len() - alive {
        0 => String::new(),
        count => format!(", {count} other"),
    };
    let _ = writeln!(out, "Nodes: {alive} alive{others}");
    let mut rows: Vec<[String; 5]> = Vec::new();
    for node in nodes {
        let name = [text(&node["NodeName"]), text(&node["NodeManagerHostname"])];
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        rows.push([short(node), state(node), address(node), name, use_of(node)]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    for row in &rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, " {cell:width$} ");
        }
        let _ = writeln!(out, "{line} {}", row[4]);
    }
}

/// The one node that people mean with the beginning of an id, a name or an address.
pub(super) fn find<'a>(nodes: &'a [Value], wanted: &str) -> Result<&'a Value, String> {
    let is_whole = |node: &&Value| {
        let whole = [text(&node["NodeID"]), address(node), text(&node["NodeManagerAddress"]), text(&node["NodeName"])];
        !wanted.is_empty() && whole.iter().any(|it| it == wanted)
    };
    let begins = |node: &&Value| !wanted.is_empty() && text(&node["NodeID"]).starts_with(&wanted.to_ascii_lowercase());
    // A node of this name, or at this address, is meant rather than those whose ids happen to begin so.
    let mut found: Vec<&Value> = nodes.iter().filter(is_whole).collect();
    if found.is_empty() {
        found = nodes.iter().filter(begins).collect();
    }
    let shown = |found: &[&Value]| {
        let described = |node: &&Value| format!("{} ({} at {})", short(node), state(node), address(node));
        found.iter().map(described).collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let all = shown(&nodes.iter().collect::<Vec<_>>());
            Err(format!("there is no node {wanted:?}; there are: {all}"))
        }
        // Nodes that are gone give way to the one that lives.
        several => match several.iter().filter(|node| state(node) != "dead").collect::<Vec<_>>().as_slice() {
            [one] => Ok(**one),
            _ => Err(format!("{wanted:?} is ambiguous: {}; give more digits of the id", shown(several))),
        },
    }
}

/// `alive`, `draining` or `dead`.
pub(super) fn state(node: &Value) -> String {
    match node["State"].as_str() {
        Some(state) if !state.is_empty() => state.to_ascii_lowercase(),
        _ if node["Alive"].as_bool().unwrap_or(false) => "alive".to_owned(),
        _ => "dead".to_owned(),
    }
}

/// The first digits of its id.
pub(super) fn short(node: &Value) -> String {
    let id = text(&node["NodeID"]);
    id.get(..SHOWN_DIGITS).unwrap_or(&id).to_owned()
}

fn address(node: &Value) -> String {
    let host = text(&node["NodeManagerAddress"]);
    match node["NodeManagerPort"].as_u64() {
        Some(port) if port > 0 => format!("{host}:{port}"),
        _ => host,
    }
}

fn use_of(node: &Value) -> String {
    if state(node) == "dead" {
        return text(&node["DeathReason"]);
    }
    let mut parts = Vec::new();
    for (name, amount) in node["Resources"].as_object().into_iter().flatten().filter(|(name, _)| is_shown(name)) {
        let has = amount.as_f64().unwrap_or(0.0);
        match node["Free"].as_object() {
            Some(_) if name.ends_with("memory") => {}
            Some(free) => {
                let used = has - free.get(name).and_then(Value::as_f64).unwrap_or(0.0);
                parts.push(format!("{used}/{has} {name}"));
            }
            None if name.ends_with("memory") => {}
            None => parts.push(format!("{has} {name}")),
        }
    }
    let labels = node["Labels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels
        .filter(|(key, _)| !key.starts_with("trygon.io/") && !key.starts_with("ray.io/"))
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    if !labels.is_empty() {
        parts.push(labels.join(","));
    }
    parts.join("  ")
}

/// Whether people want to see a resource: not those that stand for a node or for a bundle of a group.
pub(super) fn is_shown(name: &str) -> bool {
    !name.contains(':') && !name.contains("_group_")
}

/// An array's elements.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{find, render, short};
    use serde_json::{Value, json};

    fn nodes() -> Vec<Value> {
        let node = |id: &str, state: &str, port: u16, name: &str| {
            json!({"NodeID": id, "Alive": state != "dead", "State": state, "NodeManagerAddress": "10.0.0.1",
                "NodeManagerPort": port, "NodeName": name, "Resources": {"CPU": 4.0, "node:10.0.0.1": 1.0, "memory": 9e9},
                "Free": {"CPU": 1.5}, "Labels": {"zone": "a"}, "DeathReason": "it was stopped"})
        };
        vec![node("aabbcc001122334455", "alive", 1, "one"), node("aabbdd001122334455", "dead", 2, "two")]
    }

    #[test]
    fn a_node_is_found_by_what_people_call_it() {
        let nodes = nodes();
        for wanted in ["aabbcc", "AABBCC", "one", "10.0.0.1:1"] {
            assert_eq!(find(&nodes, wanted).map(short), Ok("aabbcc001122".to_owned()), "{wanted}");
        }
        // Both have the address, and one of them lives.
        assert_eq!(find(&nodes, "10.0.0.1").map(short), Ok("aabbcc001122".to_owned()));
        assert!(find(&nodes, "ff").is_err_and(|error| error.contains("aabbcc001122 (alive at 10.0.0.1:1)")));
        assert!(find(&nodes, "").is_err());
        let twins = [nodes[0].clone(), nodes[0].clone()];
        assert!(find(&twins, "aabb").is_err_and(|error| error.contains("ambiguous")));
    }

    #[test]
    fn nodes_are_shown_with_what_is_in_use() {
        let mut out = String::new();
        render(&mut out, &nodes());
        assert!(out.starts_with("Nodes: 1 alive, 1 other\n"), "{out}");
        assert!(out.contains("2.5/4 CPU  zone=a") && out.contains("it was stopped"), "{out}");
        assert!(!out.contains("node:10.0.0.1"), "{out}");
    }
}
