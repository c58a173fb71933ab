//! One step back: what a task waits for is asked about too, so that the first cause need not be looked for by hand.

use crate::answer::{Ask, list, text};
use serde_json::{Value, json};

/// Steps from one cause to the next.
const MOST_STEPS: usize = 4;

/// Adds to each story, as lines `because`, why what it waits for is not there.
pub(crate) fn add_causes(stories: &mut [Value], ask: Ask<'_>) {
    for story in stories {
        let mut causes: Vec<Value> = Vec::new();
        let mut next = next_of(story);
        while let Some((what, id)) = next.take().filter(|_| causes.len() < MOST_STEPS) {
            // What cannot be asked now is no reason to say nothing.
            let Some(cause) = ask(what, &id).ok().and_then(|found| list(found).into_iter().next()) else { break };
            causes.push(json!({
                "kind": cause["kind"], "id": cause["id"], "name": cause["name"], "state": cause["state"], "why": cause["why"],
            }));
            next = next_of(&cause);
        }
        let lines = causes.iter().map(|cause| json!(["because", sentence(cause)]));
        if let Some(Value::Array(known)) = story.get_mut("lines") {
            known.extend(lines);
        }
        if !causes.is_empty() {
            story["causes"] = causes.into();
        }
    }
}

fn sentence(cause: &Value) -> String {
    let words = [text(&cause["kind"]), text(&cause["name"]), text(&cause["id"])];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    format!("{} is {}: {}", words.join(" "), text(&cause["state"]), text(&cause["why"]))
}

/// What is asked next: the question and the id.
fn next_of(story: &Value) -> Option<(&'static str, String)> {
    match story["state"].as_str()? {
        "WAITS_FOR_ARGUMENTS" => {
            let first = story["waits_for"].as_array()?.first()?;
            Some(("story", text(&first["task_id"])))
        }
        "WAITS_FOR_ACTOR" => Some(("explain", story["actor_id"].as_str()?.to_owned())),
        // An object's task.
        "PENDING" | "LOST" => Some(("story", story["task"]["task_id"].as_str()?.to_owned())),
        _ => None,
    }
}
