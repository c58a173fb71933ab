//! What can be said when no owner knows the id: who its owner was, and what others know of it. Nothing is guessed.

use crate::explain::known::{Known, hex, short};
use crate::explain::objects::borrower_text;
use crate::explain::tasks::tell_past;
use crate::explain::telling::{Telling, count, time};
use serde_json::{Value, json};
use trygon_ids::TaskId;

/// The story, as far as there is one. `is_known` is false when nobody has heard of the id.
pub(crate) fn story(known: &Known) -> Option<Value> {
    let task = known.task()?;
    let is_object = known.wanted.len() > 2 * TaskId::LEN;
    let what = if is_object { "object" } else { "task" };
    let last = known.events().last();
    let name = last.map_or("", |event| event.name.as_str());
    let mut telling = Telling::new(what, &known.wanted, name);
    let running = known.running().find(|(_, running)| running.task_id == task.as_bytes());
    let borrowed: Vec<_> = known.borrowed().filter(|(_, borrowed)| known.wanted == hex(&borrowed.object_id)).collect();
    let (state, why) = match last {
        Some(event) if known.fate() == "over" && event.state != "RETRIED" => (
            event.state.as_str(),
            format!(
                "it is over, and nothing refers to its results any more; attempt {} was {} at {}",
                event.attempt.saturating_add(1),
                event.state.to_lowercase(),
                time(event.time_us)
            ),
        ),
        _ if known.fate() == "over" => ("OVER", why(known, what)),
        _ => ("UNKNOWN", why(known, what)),
    };
    let state = if running.is_some_and(|(_, running)| running.has_begun) { "RUNNING" } else { state };
    telling.say("state", state);
    telling.say("why", why);
    let is_known =
        running.is_some() || !borrowed.is_empty() || last.is_some() || known.fate() == "over" || is_owner_known(known);
    telling.put("is_known", is_known.into());
    if let Some(owner) = known.owner() {
        telling.line("owner", owner.describe());
        telling.put("owner", owner.json());
    }
    if let Some((place, running)) = running {
        let how = if running.has_begun { "runs" } else { "waits" };
        telling.line("attempt", format!("{}, which {how} in {}", running.attempt.saturating_add(1), place.describe()));
        telling.put("runs_at", place.json());
    }
    for (place, borrowed) in borrowed {
        telling.line("held by", format!("{}, which borrows it{}", place.describe(), borrower_text(borrowed)));
    }
    for (node, stored) in known.stored() {
        telling.line("where", format!("{} of node {}", stored.place, short(node)));
    }
    tell_past(known, known.past(), &mut telling);
    let events = known.events().map(|event| {
        json!({ "state": event.state, "attempt": event.attempt.saturating_add(1), "time": time(event.time_us), "name": event.name })
    });
    telling.put("events", events.collect());
    Some(telling.finish())
}

fn is_owner_known(known: &Known) -> bool {
    known.owner_death().is_some() || known.owner().is_some_and(|owner| owner.process.facts.is_none())
}

fn why(known: &Known, what: &str) -> String {
    if let Some(owner) = known.owner() {
        if let Some(silence) = owner.silence() {
            return format!("only its owner knows it, and {silence}; when it goes on, or ends, so does this {what}");
        }
        return match known.fate() {
            "over" => format!(
                "it is over, and nothing refers to it any more: its owner keeps no record of a {what} that went well"
            ),
            "never" => format!("its owner has never had such a {what}"),
            _ => format!("its owner does not know such a {what}: the job in the id is another one's"),
        };
    }
    if let Some((node, death)) = known.owner_death() {
        return format!(
            "its owner is dead, a process of node {}, and what it owned ended with it: {}",
            short(node),
            death.message
        );
    }
    let silent = match known.silent.len() {
        0 => String::new(),
        number => format!(" among those that answered; {} did not", count(number, "node", "nodes")),
    };
    format!(
        "no node of this cluster has, or had, the process that the id names as its owner{silent}: it may have ended with its node, or the id is of another cluster"
    )
}
