//! The story of a task: where its owner is, what it waits for and why, where it runs, what ended earlier attempts.

use crate::explain::known::{Known, Place, hex, short};
use crate::explain::telling::{Telling, count, error_json, error_text, retries, time};
use serde_json::{Value, json};
use trygon_wire::control::{ArgumentFacts, AttemptFacts, RunningFacts, TaskFacts};

/// Arguments and functions that are named.
const MOST_NAMED: usize = 5;

/// Every task that was found with its owner, if a task is asked for.
pub(crate) fn stories(known: &Known) -> Vec<Value> {
    // Whoever gives an object's id asks for the object.
    let is_object = known.wanted.len() > 2 * trygon_ids::TaskId::LEN;
    known.tasks().filter(|_| !is_object).map(|(owner, task)| story(known, owner, task)).collect()
}

fn story(known: &Known, owner: Place<'_>, task: &TaskFacts) -> Value {
    let mut telling = Telling::new("task", &hex(&task.task_id), &task.name);
    let runs = known.running().find(|(_, running)| running.task_id == task.task_id && running.attempt == task.attempt);
    let state = match runs {
        Some((_, running)) if task.state == "SENT" && running.has_begun => "RUNNING",
        _ if task.state == "SENT" => "WAITS_IN_WORKER",
        _ => &task.state,
    };
    telling.say("state", state);
    telling.say("why", why(known, task, state, runs));
    telling.line("owner", owner.describe());
    telling.put("owner", owner.json());
    if let Some((place, running)) = runs {
        let mut at = place.json();
        at["for_s"] = if running.for_us > 0 { json!(running.for_us as f64 / 1e6) } else { Value::Null };
        at["is_blocked"] = running.is_blocked.into();
        telling.put("runs_at", at);
    }
    tell_attempts(known, task, &mut telling);
    tell_arguments(known, task, &mut telling);
    if !task.actor_id.is_empty() {
        telling.line("actor", format!("{}, {}", hex(&task.actor_id), task.actor_state.to_lowercase()));
        telling.put("actor_id", hex(&task.actor_id).into());
    }
    if state == "WAITS_FOR_LEASE" {
        tell_nodes(known, task, &mut telling);
    }
    if !task.error_kind.is_empty() {
        telling.line("error", error_text(&task.error_kind, &task.error_message));
        telling.put("error", error_json(&task.error_kind, &task.error_message));
    }
    telling.finish()
}

fn tell_attempts(known: &Known, task: &TaskFacts, telling: &mut Telling) {
    let number = task.attempt.saturating_add(1);
    telling.line("attempt", format!("{number}, {}", retries(task.retries_left)));
    telling.put("attempt", number.into());
    telling.put("retries_left", task.retries_left.into());
    tell_past(known, &task.past, telling);
}

/// What ended earlier attempts.
pub(super) fn tell_past(known: &Known, past: &[AttemptFacts], telling: &mut Telling) {
    let mut data = Vec::new();
    for ended in past {
        let (number, at) = (ended.attempt.saturating_add(1), time(ended.time_us));
        let place = if ended.worker_id.is_empty() {
            String::new()
        } else {
            format!(" in {}", known.describe(&ended.worker_id))
        };
        telling.line("earlier", format!("attempt {number} ended at {at}{place}: {}", ended.reason));
        let worker_id = hex(&ended.worker_id);
        data.push(json!({ "attempt": number, "ended": at, "worker_id": worker_id, "reason": ended.reason }));
    }
    telling.put("earlier_attempts", data.into());
}

fn tell_arguments(known: &Known, task: &TaskFacts, telling: &mut Telling) {
    let mut data = Vec::new();
    for argument in &task.waits_for {
        if data.len() < MOST_NAMED {
            telling.line("waits for", argument_text(known, argument));
        }
        data.push(json!({
            "object_id": hex(&argument.object_id),
            "task_id": hex(&argument.object_id[..argument.object_id.len().min(24)]),
            "task_name": argument.task_name,
            "state": argument.state,
            "owner": hex(&argument.owner),
        }));
    }
    if data.len() > MOST_NAMED {
        telling.line("waits for", count(data.len() - MOST_NAMED, "more object", "more objects"));
    }
    telling.put("waits_for", data.into());
}

fn argument_text(known: &Known, argument: &ArgumentFacts) -> String {
    let object = hex(&argument.object_id);
    match argument.task_name.as_str() {
        "" => format!("object {object}, which {} owns", known.describe(&argument.owner)),
        name => format!("object {object}, which task {name} makes ({})", argument.state),
    }
}

/// What each node lacks, or what has it.
fn tell_nodes(known: &Known, task: &TaskFacts, telling: &mut Telling) {
    let needs: Vec<String> = task.needs.iter().map(|(name, amount)| format!("{name}: {amount}")).collect();
    telling.line("needs", if needs.is_empty() { "nothing but a worker".to_owned() } else { needs.join(", ") });
    telling.put("needs", json!(task.needs));
    let Some((_, judged)) = known.judged.get(&task.task_id) else {
        return;
    };
    let mut data = Vec::new();
    for (node, verdict) in judged {
        let held = if verdict.starts_with("is full") { held_text(known, node.as_bytes()) } else { String::new() };
        telling.line("node", format!("{} {verdict}{held}", short(node.as_bytes())));
        data.push(json!({ "node_id": node.hex(), "verdict": verdict }));
    }
    telling.put("nodes", data.into());
}

fn held_text(known: &Known, node: &[u8]) -> String {
    let held = known.held(node).iter().take(MOST_NAMED).map(|held| format!("{} × {}", held.name, held.count));
    let held: Vec<String> = held.collect();
    if held.is_empty() { String::new() } else { format!("; in use by {}", held.join(", ")) }
}

fn why(known: &Known, task: &TaskFacts, state: &str, runs: Option<(Place<'_>, &RunningFacts)>) -> String {
    let text = match state {
        "WAITS_FOR_ARGUMENTS" => waits_for_arguments(known, task),
        "WAITS_FOR_LEASE" => waits_for_lease(known, task),
        "WAITS_FOR_ACTOR" => waits_for_actor(task),
        "WAITS_FOR_RETRY" => {
            format!("attempt {} failed; the next begins in {:.1} s", task.attempt, task.retry_in_ms as f64 / 1000.0)
        }
        "RUNNING" | "WAITS_IN_WORKER" => at_worker(known, task, runs),
        "CANCELLED" => "trygon.cancel() was called, by its owner or by a process that borrows its result".to_owned(),
        "FAILED" => error_text(&task.error_kind, &task.error_message),
        _ => "it has finished; its results are there".to_owned(),
    };
    let again = if task.is_rebuilding { "results of it were lost, so that it runs again: " } else { "" };
    let cancelled = if task.cancelled && state != "CANCELLED" {
        "; trygon.cancel() was called, and it ends as soon as it can"
    } else {
        ""
    };
    format!("{again}{text}{cancelled}")
}

fn waits_for_arguments(known: &Known, task: &TaskFacts) -> String {
    match &*task.waits_for {
        [] => "its arguments are there; it is about to be sent".to_owned(),
        [one] => format!("waits for an argument: {}", argument_text(known, one)),
        [first, ..] => format!(
            "waits for {} of its {} arguments that are references: first {}",
            task.waits_for.len(),
            task.num_dependencies,
            argument_text(known, first)
        ),
    }
}

fn waits_for_lease(known: &Known, task: &TaskFacts) -> String {
    let judged = known.judged.get(&task.task_id);
    if let Some(never) = judged.and_then(|(never, _)| never.as_ref()) {
        return never.clone();
    }
    let queued = known.waiting().find(|(_, waiting)| waiting.name == task.name);
    let queued = queued.map_or_else(String::new, |(node, waiting)| {
        format!(
            "; {} asked for on node {}: {}",
            count(waiting.count as usize, "such worker is", "such workers are"),
            short(node),
            waiting.why
        )
    });
    let has_room = judged.is_some_and(|(_, nodes)| nodes.iter().any(|(_, verdict)| verdict == "has room"));
    if has_room {
        return format!("waits for a worker that is being started or has just become free{queued}");
    }
    format!("waits for a worker: the nodes that could have one are full{queued}")
}

fn waits_for_actor(task: &TaskFacts) -> String {
    let before = match task.others {
        0 => String::new(),
        others => format!(", behind {} of this caller", count(others as usize, "call", "calls")),
    };
    match task.actor_state.as_str() {
        "ALIVE" => format!("waits for its turn{before}"),
        "RESTARTING" => format!("its actor is being restarted{before}"),
        "PENDING" => format!("its actor has no process yet{before}"),
        _ => format!("its actor is {}{before}", task.actor_state.to_lowercase()),
    }
}

fn at_worker(known: &Known, task: &TaskFacts, runs: Option<(Place<'_>, &RunningFacts)>) -> String {
    let place = known.place_of(&task.executor);
    match runs {
        Some((place, running)) if running.has_begun => {
            let since =
                if running.for_us == 0 { String::new() } else { format!(" for {:.1} s", running.for_us as f64 / 1e6) };
            let blocked = if running.is_blocked { ", where it waits for other objects" } else { "" };
            format!("runs in {}{since}{blocked}", place.describe())
        }
        Some((place, running)) => {
            format!(
                "is in {}, behind {}",
                place.describe(),
                count(running.behind as usize, "other call", "other calls")
            )
        }
        None => match place.and_then(|place| place.silence()) {
            Some(silence) => format!("was sent to a worker, which cannot say whether it runs: {silence}"),
            None if task.executor.is_empty() => "was sent to a worker".to_owned(),
            None => format!("is on its way to {}, or back", known.describe(&task.executor)),
        },
    }
}
