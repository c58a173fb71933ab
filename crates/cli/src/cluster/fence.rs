//! `trygon fence`: a node is stopped at once, and not let in again before somebody says so.

use crate::cluster::args::Fence;
use crate::cluster::connection::connect;
use crate::cluster::nodes::{find, list, short, text};
use std::process::ExitCode;

/// Asks the head to fence one node, or to let it in again.
pub(crate) fn fence(fence: &Fence) -> Result<ExitCode, String> {
    let mut connection = connect(&fence.at)?;
    let nodes = connection.ask("nodes", "")?;
    let node = find(list(&nodes), &fence.node)?;
    let is_fenced = node["Fenced"].as_bool().unwrap_or(false);
    match (fence.undo, is_fenced) {
        (true, false) => return Err(format!("node {} is not fenced", short(node))),
        (false, true) => return Err(format!("node {} is fenced already; --undo lets it in again", short(node))),
        _ => {}
    }
    if !fence.undo && node["Resources"]["node:__internal_head__"].as_f64().is_some() {
        return Err(
            "this is the head's own node: without it nobody could let it in again; `trygon stop` ends it".to_owned()
        );
    }
    let argument = serde_json::json!({
        "node_id": text(&node["NodeID"]),
        "reason": fence.message,
        "undo": fence.undo,
    });
    connection.ask("fence", &argument.to_string())?;
    if fence.undo {
        println!("Node {} may come back; its daemon tries every few seconds.", short(node));
    } else {
        println!(
            "Node {} is stopped, and what ran there runs elsewhere. Its machine is not let in again before `trygon fence --undo {}`.",
            short(node),
            short(node)
        );
    }
    Ok(ExitCode::SUCCESS)
}
