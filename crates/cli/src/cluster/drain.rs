//! `trygon drain`: a node takes no new work from now on.

use crate::cluster::args::{Drain, DrainReason};
use crate::cluster::connection::connect;
use crate::cluster::nodes::{find, list, short, state, text};
use std::process::ExitCode;

/// Asks the head to drain one node.
pub(crate) fn drain(drain: &Drain) -> Result<ExitCode, String> {
    let mut connection = connect(&drain.at)?;
    let nodes = connection.ask("nodes", "")?;
    let node = find(list(&nodes), &drain.node)?;
    if state(node) == "dead" {
        return Err(format!("node {} is dead already: {}", short(node), text(&node["DeathReason"])));
    }
    let reason = match drain.reason {
        DrainReason::Preemption => "preemption",
        DrainReason::IdleTermination => "idle-termination",
    };
    let argument = serde_json::json!({
        "node_id": text(&node["NodeID"]),
        "reason": reason,
        "message": drain.message,
        "deadline_s": drain.deadline_s,
    });
    connection.ask("drain", &argument.to_string())?;
    let deadline = drain.deadline_s.map(|seconds| format!(" It may be gone in {seconds} s.")).unwrap_or_default();
    println!("Node {} takes no new work from now on.{deadline} `trygon status` shows what still runs.", short(node));
    Ok(ExitCode::SUCCESS)
}
