//! `trygon drain`: a node takes no new work from now on.

use crate::cluster::args::{Drain, DrainReason};
use crate::cluster::connection::connect;
use crate::cluster::nodes::{find, is_shown, list, short, state, text};
use serde_json::Value;
use std::process::ExitCode;

/// Asks the head to drain one node.
pub(crate) fn drain(drain: &Drain) -> Result<ExitCode, String> {
    let mut connection = connect(&drain.at)?;
    let nodes = connection.ask("nodes", "")?;
    let node = find(list(&nodes), &drain.node)?;
    match state(node).as_str() {
        "alive" => {}
        "draining" => return Err(format!("node {} drains already: {}", short(node), text(&node["DeathReason"]))),
        _ => return Err(format!("node {} is dead already: {}", short(node), text(&node["DeathReason"]))),
    }
    let reason = match drain.reason {
        DrainReason::Preemption => "preemption",
        DrainReason::IdleTermination if is_idle(node) => "idle termination",
        DrainReason::IdleTermination => {
            return Err(format!(
                "node {} is in use, so it is not idle; --reason preemption drains it all the same",
                short(node)
            ));
        }
    };
    let argument = serde_json::json!({
        "node_id": text(&node["NodeID"]),
        "reason": reason,
        "message": drain.message,
        "deadline_s": drain.deadline_s,
    });
    connection.ask("drain", &argument.to_string())?;
    let end = match drain.deadline_s {
        Some(seconds) => format!("It ends when nothing is left on it, in {seconds} s at the latest."),
        None => "It stays until it is stopped; `trygon status` shows what still runs there.".to_owned(),
    };
    println!("Node {} takes no new work from now on. {end}", short(node));
    Ok(ExitCode::SUCCESS)
}

/// Whether nothing of what it has is in use, and nothing waits there.
fn is_idle(node: &Value) -> bool {
    let amount = |amounts: &Value, name: &str| amounts[name].as_f64().unwrap_or(0.0);
    let total = node["Resources"].as_object().into_iter().flatten();
    let mut shown = total.filter(|(name, _)| is_shown(name));
    node["Waiting"].as_u64().unwrap_or(0) == 0
        && shown.all(|(name, has)| amount(&node["Free"], name) >= has.as_f64().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::is_idle;
    use serde_json::json;

    #[test]
    fn a_node_is_idle_when_all_of_it_is_free() {
        let node = |free: f64, waiting: u32| json!({"Resources": {"CPU": 4.0, "node:a": 1.0}, "Free": {"CPU": free}, "Waiting": waiting});
        assert!(is_idle(&node(4.0, 0)));
        assert!(!is_idle(&node(3.5, 0)) && !is_idle(&node(4.0, 1)));
    }
}
