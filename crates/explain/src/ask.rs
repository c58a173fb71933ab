//! What is asked: the pages of errors, the owners of tasks and objects, the head about everything else.

use crate::answer::{Ask, list, text};
use crate::causes::add_causes;
use serde_json::{Value, json};

/// Fewest digits of an id: with fewer, the one that people mean is likely to be another's.
const LEAST_DIGITS: usize = 4;
/// The same for tasks and objects, whose ids begin with their job's.
const LEAST_TASK_DIGITS: usize = 8;
/// Digits of the whole ids of tasks and objects.
const TASK_DIGITS: usize = 48;
const OBJECT_DIGITS: usize = 56;
/// Where other ids are to be found: the question, and the member with the id.
const PLACES: [(&str, &str); 4] =
    [("nodes", "NodeID"), ("actors", "actor_id"), ("placement_groups", "placement_group_id"), ("jobs", "job_id")];

/// Everything that goes by a name, an id, the beginning of one, or an error's code. The error is a sentence for people.
pub fn explain(wanted: &str, ask: Ask<'_>) -> Result<Vec<Value>, String> {
    let wanted = wanted.trim();
    if trygon_error::is_code(wanted) {
        return page(wanted).map(|page| vec![page]);
    }
    let digits = wanted.to_ascii_lowercase();
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut unknown = None;
    if is_digits && (TASK_DIGITS..=OBJECT_DIGITS).contains(&digits.len()) {
        // The owners know more than the head, and answer when the head is away. Ids of nodes are as long as those of objects.
        let mut stories = list(ask("story", &digits)?);
        if stories.iter().any(|story| story["is_known"] != false) {
            add_causes(&mut stories, ask);
            return Ok(stories);
        }
        unknown = stories.first().map(|story| text(&story["why"]));
    }
    let found = list(ask("explain", wanted)?);
    if !found.is_empty() {
        return Ok(found);
    }
    if is_digits && digits.len() >= LEAST_DIGITS {
        let found = by_beginning(&digits, ask)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if is_digits && (LEAST_TASK_DIGITS..TASK_DIGITS).contains(&digits.len()) {
        let mut stories = list(ask("story", &digits)?);
        if stories.len() > 1 {
            return Err(ambiguous(wanted, &stories));
        }
        if !stories.is_empty() {
            add_causes(&mut stories, ask);
            return Ok(stories);
        }
    }
    let nothing = format!("nothing in this cluster has the name {wanted:?} or an id that begins so");
    Err(unknown.map_or(nothing, |why| format!("{wanted} is not known: {why}")))
}

/// The page of an error's code; no cluster is asked.
fn page(code: &str) -> Result<Value, String> {
    let Some(page) = trygon_error::page(code) else {
        let last = trygon_error::PAGES.last().map_or("", |(last, _)| last);
        return Err(format!("no error has the code {code:?}; the codes are TRY0001 to {last}"));
    };
    let class = trygon_error::class_of(page).unwrap_or_default();
    Ok(json!({ "kind": "error", "id": code.to_ascii_uppercase(), "name": class, "page": page }))
}

/// The one thing that the head knows and whose id begins so.
fn by_beginning(digits: &str, ask: Ask<'_>) -> Result<Vec<Value>, String> {
    let mut found: Vec<(&str, String, Value)> = Vec::new();
    for (place, member) in PLACES {
        for thing in list(ask(place, "")?) {
            let id = text(&thing[member]);
            if id.starts_with(digits) {
                found.push((place, id, thing));
            }
        }
    }
    // Ids of actors begin with their jobs'.
    if found.iter().any(|(_, id, _)| id == digits) {
        found.retain(|(_, id, _)| id == digits);
    }
    match found.as_slice() {
        [] => Ok(Vec::new()),
        [("jobs", id, job)] => {
            let mut job = job.clone();
            job["kind"] = "job".into();
            job["id"] = id.as_str().into();
            job["job_id"] = Value::Null;
            Ok(vec![job])
        }
        [(_, id, _)] => Ok(list(ask("explain", id)?)),
        several => {
            let shown: Vec<String> = several.iter().map(|(place, id, _)| format!("{id} among the {place}")).collect();
            Err(format!("{digits} is ambiguous; give more digits:\n  {}", shown.join("\n  ").replace('_', " ")))
        }
    }
}

fn ambiguous(wanted: &str, stories: &[Value]) -> String {
    let shown =
        stories.iter().map(|story| format!("{} {} {}", text(&story["kind"]), text(&story["id"]), text(&story["name"])));
    let shown: Vec<String> = shown.map(|line| line.trim_end().to_owned()).collect();
    format!("{wanted} is ambiguous; give more digits. Some of those that begin so:\n  {}", shown.join("\n  "))
}

#[cfg(test)]
mod tests;
