//! Which questions are asked for what people give.

use super::explain;
use serde_json::{Value, json};

const TASK: &str = "01000000aabbccdd000000000000000100000000000000ff";

/// What is told, or why nothing is.
type Found = Result<Vec<Value>, String>;

/// A daemon that answers from a table, and what it was asked.
fn asked(wanted: &str, answers: &[(&str, &str, Value)]) -> (Found, Vec<(String, String)>) {
    let mut questions = Vec::new();
    let mut ask = |what: &str, argument: &str| {
        questions.push((what.to_owned(), argument.to_owned()));
        let found = answers.iter().find(|(known, of, _)| *known == what && *of == argument);
        Ok(found.map_or_else(|| json!([]), |(_, _, answer)| answer.clone()))
    };
    (explain(wanted, &mut ask), questions)
}

#[test]
fn a_whole_id_of_a_task_is_its_owners_matter() {
    let story = json!([{"kind": "task", "id": TASK, "state": "RUNNING", "lines": []}]);
    let (found, questions) = asked(&TASK.to_uppercase(), &[("story", TASK, story)]);
    assert_eq!(found.expect("a story")[0]["state"], "RUNNING");
    assert_eq!(questions, [("story".to_owned(), TASK.to_owned())]);
}

#[test]
fn the_first_cause_is_looked_for() {
    let other = TASK.replace("ff", "fe");
    let waits = json!([{
        "kind": "task", "id": TASK, "name": "g", "state": "WAITS_FOR_ARGUMENTS", "lines": [], "waits_for": [{"task_id": other}],
    }]);
    let call =
        json!([{"kind": "task", "id": other, "name": "f", "state": "WAITS_FOR_ACTOR", "why": "w", "actor_id": "0a"}]);
    let actor = json!([{"kind": "actor", "id": "0a", "state": "PENDING_CREATION", "why": "needs GPU: 1"}]);
    let answers = [("story", TASK, waits), ("story", other.as_str(), call), ("explain", "0a", actor)];
    let (found, _) = asked(TASK, &answers);
    let story = &found.expect("a story")[0];
    assert_eq!(story["causes"][1]["why"], "needs GPU: 1");
    assert_eq!(story["lines"][1], json!(["because", "actor 0a is PENDING_CREATION: needs GPU: 1"]));
}

#[test]
fn ids_of_nodes_are_as_long_as_those_of_objects() {
    let node = "ab".repeat(28);
    let unknown = json!([{"kind": "object", "id": node, "is_known": false, "why": "no such owner", "lines": []}]);
    let answers = [("story", node.as_str(), unknown.clone()), ("explain", node.as_str(), json!([{"kind": "node"}]))];
    assert_eq!(asked(&node, &answers).0.expect("a node")[0]["kind"], "node");
    let refused = asked(&node, &[("story", node.as_str(), unknown)]).0.expect_err("nobody knows it");
    assert!(refused.contains("is not known: no such owner"), "{refused}");
}

#[test]
fn a_beginning_must_be_one_things() {
    let beginning = &TASK[..16];
    let story = |id: &str| json!({"kind": "task", "id": id, "name": "f", "state": "RUNNING", "lines": []});
    let two = json!([story("0a"), story("0b")]);
    let refused = asked(beginning, &[("story", beginning, two)]).0.expect_err("two");
    assert!(refused.contains("ambiguous") && refused.contains("task 0a f"), "{refused}");
    assert_eq!(asked(beginning, &[("story", beginning, json!([story("0a")]))]).0.expect("one").len(), 1);
    // So few digits are no beginning of a task's id.
    let (refused, questions) = asked("abcd", &[]);
    assert!(refused.is_err() && questions.iter().all(|(what, _)| what != "story"));
}

#[test]
fn a_code_asks_nobody() {
    let (found, questions) = asked("try0007", &[]);
    assert!(
        found.expect("a page")[0]["page"].as_str().is_some_and(|page| page.contains("# TRY0007"))
            && questions.is_empty()
    );
    assert!(asked("TRY9999", &[]).0.expect_err("no such code").contains("TRY0001 to"));
}
