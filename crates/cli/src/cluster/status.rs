//! `trygon status`: nodes, what is in use, and what waits and why.

use crate::cluster::args::Status;
use crate::cluster::connection::connect;
use crate::cluster::nodes::{self, is_shown, list, text};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;
use trygon_explain::needs;

/// What is asked for, beside what waits.
const QUESTIONS: [&str; 7] =
    ["session", "nodes", "cluster_resources", "available_resources", "jobs", "actors", "store"];
/// Lines of what waits that are shown.
const MAX_WAITING: usize = 20;

/// Shows how the cluster is.
pub(crate) fn status(status: &Status) -> Result<ExitCode, String> {
    let mut connection = connect(&status.at)?;
    let mut answers = serde_json::Map::new();
    for question in QUESTIONS {
        answers.insert(question.to_owned(), connection.ask(question, "")?);
    }
    // What waits in the whole cluster; a node without a cluster knows of its own only.
    let waiting = connection.ask("demand", "").or_else(|_| connection.ask("waiting", ""))?;
    answers.insert("waiting".to_owned(), waiting);
    let answers = Value::Object(answers);
    if status.json {
        println!("{answers}");
    } else {
        print!("{}", render(&answers));
    }
    Ok(ExitCode::SUCCESS)
}

/// As people read it.
fn render(answers: &Value) -> String {
    let mut out = String::new();
    let session = &answers["session"];
    // Writing to a String cannot fail; the results say nothing.
    let _ = writeln!(out, "Cluster {} · trygon {}\n", text(&session["address"]), text(&session["package_version"]));
    nodes::render(&mut out, list(&answers["nodes"]));
    render_resources(&mut out, answers);
    render_store(&mut out, &answers["store"]);
    render_jobs(&mut out, answers);
    render_waiting(&mut out, list(&answers["waiting"]));
    out
}

fn render_resources(out: &mut String, answers: &Value) {
    let _ = writeln!(out, "\nIn use:");
    let total = answers["cluster_resources"].as_object().into_iter().flatten();
    for (name, amount) in total.filter(|(name, _)| is_shown(name)) {
        let has = amount.as_f64().unwrap_or(0.0);
        let used = has - answers["available_resources"][name].as_f64().unwrap_or(0.0);
        let _ = if name.ends_with("memory") {
            let gibibyte = f64::from(1 << 30);
            writeln!(out, "  {:.2} of {:.2} GiB {name}", used / gibibyte, has / gibibyte)
        } else {
            writeln!(out, "  {used} of {has} {name}")
        };
    }
}

/// The objects of the node that was asked.
fn render_store(out: &mut String, store: &Value) {
    let gigabytes = |name: &str| store[name].as_u64().unwrap_or(0) as f64 / 1e9;
    let (used, capacity) = (gigabytes("used_bytes"), gigabytes("capacity_bytes"));
    let _ = write!(out, "\nObjects of this node: {used:.2} of {capacity:.2} GB in memory");
    if store["spilled_bytes_total"].as_u64().unwrap_or(0) > 0 {
        let _ = write!(
            out,
            ", {:.2} GB in {} files ({:.2} GB written, {:.2} GB read back)",
            gigabytes("spilled_bytes"),
            store["spill_files"],
            gigabytes("spilled_bytes_total"),
            gigabytes("restored_bytes_total")
        );
    }
    let _ = writeln!(out);
}

fn render_jobs(out: &mut String, answers: &Value) {
    let jobs = list(&answers["jobs"]);
    let living = |actor: &&Value| actor["state"] != "dead";
    let actors = list(&answers["actors"]).iter().filter(living).count();
    let _ = writeln!(out, "\nJobs: {}, actors: {actors}", jobs.len());
    for job in jobs {
        let driver = match job["driver_pid"].as_u64() {
            Some(pid) if pid > 0 => format!("process {pid}"),
            _ => "only detached actors".to_owned(),
        };
        let weight = job["weight"].as_f64().filter(|weight| *weight != 1.0);
        let weight = weight.map_or(String::new(), |weight| format!("  weight {weight}"));
        let _ = writeln!(out, "  {}  {driver}{weight}  {}", text(&job["job_id"]), text(&job["entrypoint"]));
    }
}

fn render_waiting(out: &mut String, waiting: &[Value]) {
    if waiting.is_empty() {
        let _ = writeln!(out, "\nNothing waits.");
        return;
    }
    let _ = writeln!(out, "\nWaiting:");
    for entry in waiting.iter().take(MAX_WAITING) {
        let (kind, name, why) = (text(&entry["kind"]), text(&entry["name"]), text(&entry["why"]));
        let what = [kind, name].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let why = if why.is_empty() { "all that suits is in use" } else { &why };
        let _ = writeln!(out, "  {} × {what} ({}): {why}", entry["count"], needs(&entry["needs"]));
    }
    if waiting.len() > MAX_WAITING {
        let _ = writeln!(out, "  and {} more", waiting.len() - MAX_WAITING);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_that_matters_is_shown() {
        let answers = serde_json::json!({
            "session": {"address": "10.0.0.1:6379", "package_version": "1"},
            "nodes": [{"NodeID": "00112233445566", "Alive": true, "NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 4.0}}],
            "cluster_resources": {"CPU": 4.0, "node:10.0.0.1": 1.0},
            "available_resources": {"CPU": 1.5},
            "jobs": [{"job_id": "01000000", "driver_pid": 0, "entrypoint": "a.py", "weight": 2.5}],
            "actors": [{"state": "alive"}, {"state": "dead"}],
            "store": {"used_bytes": 500_000_000u64, "capacity_bytes": 2_000_000_000u64, "spilled_bytes": 3_000_000_000u64,
                "spilled_bytes_total": 4_000_000_000u64, "restored_bytes_total": 1_000_000_000u64, "spill_files": 31},
            "waiting": [{"name": "f", "count": 2, "needs": "CPU: 8", "why": "no node has so much"},
                {"kind": "actors", "name": "A", "count": 1, "needs": [{"GPU": 1.0}], "why": ""}],
        });
        let shown = super::render(&answers);
        for part in [
            "10.0.0.1:6379",
            "001122334455  alive",
            "2.5 of 4 CPU",
            "actors: 1",
            "0.50 of 2.00 GB in memory, 3.00 GB in 31 files (4.00 GB written, 1.00 GB read back)",
            "only detached actors  weight 2.5  a.py",
            "2 × f (CPU: 8)",
            "1 × actors A (GPU: 1): all",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("node:10"), "{shown}");
    }
}
