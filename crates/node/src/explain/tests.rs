//! Stories out of what was said, and nothing else.

use crate::explain::known::Known;
use crate::explain::{objects, tasks, unknown};
use serde_json::Value;
use std::collections::BTreeMap;
use trygon_ids::{JobId, NodeId, OwnerIncarnation, TaskId};
use trygon_wire::control::{
    ArgumentFacts, AttemptFacts, BorrowedFacts, BorrowerFacts, Death, Explained, HeldFacts, NodeFacts, ObjectFacts,
    ProcessFacts, RunningFacts, StoredFacts, TaskFacts,
};

const NODE: [u8; 28] = [0xab; 28];

/// The process of the one node with this number.
fn worker(number: u64) -> Vec<u8> {
    [&NODE[..20], &number.to_be_bytes()].concat()
}

fn task() -> TaskId {
    let incarnation = [&NODE[20..24], &7_u64.to_be_bytes()].concat();
    let incarnation = OwnerIncarnation::from_bytes(&incarnation).expect("12 bytes");
    TaskId::of(JobId::new([1, 0, 0, 0]), incarnation, 3, 0)
}

fn process(number: u64, facts: Option<Explained>) -> ProcessFacts {
    ProcessFacts {
        worker_id: worker(number),
        pid: 100 + number as u32,
        is_driver: number == 7,
        facts,
        ..Default::default()
    }
}

fn facts(state: &str) -> TaskFacts {
    TaskFacts {
        task_id: task().as_bytes().to_vec(),
        name: "f".to_owned(),
        state: state.to_owned(),
        retries_left: 2,
        ..Default::default()
    }
}

fn known(wanted: &str, processes: Vec<ProcessFacts>) -> Known {
    let node = NodeFacts { node_id: NODE.to_vec(), processes, ..Default::default() };
    Known::new(wanted.to_owned(), vec![node], Vec::new())
}

/// The story of a task whose owner says this.
fn task_story(of: TaskFacts, others: Vec<ProcessFacts>) -> Value {
    let owner = process(7, Some(Explained { tasks: vec![of], ..Default::default() }));
    let mut processes = vec![owner];
    processes.extend(others);
    let mut stories = tasks::stories(&known(&task().hex(), processes));
    assert_eq!(stories.len(), 1);
    stories.remove(0)
}

fn why(story: &Value) -> &str {
    story["why"].as_str().expect("a sentence")
}

fn has_line(story: &Value, label: &str, part: &str) -> bool {
    let lines = story["lines"].as_array().expect("lines");
    lines.iter().any(|line| line[0] == label && line[1].as_str().is_some_and(|text| text.contains(part)))
}

#[test]
fn a_task_runs_when_its_worker_says_so() {
    let running =
        RunningFacts { task_id: task().as_bytes().to_vec(), has_begun: true, for_us: 1_500_000, ..Default::default() };
    let executor = process(9, Some(Explained { running: vec![running], ..Default::default() }));
    let sent = TaskFacts { executor: worker(9), ..facts("SENT") };
    let story = task_story(sent.clone(), vec![executor]);
    assert_eq!(
        (story["state"].as_str(), why(&story)),
        (Some("RUNNING"), "runs in process 109 on node abababababab for 1.5 s")
    );
    // One that does not answer may run it or not.
    let silent = ProcessFacts { os_state: "stopped".to_owned(), ..process(9, None) };
    let story = task_story(sent.clone(), vec![silent]);
    assert_eq!(story["state"], "WAITS_IN_WORKER");
    assert!(why(&story).contains("process 109 on node abababababab does not answer: it is stopped"), "{story}");
    // An answer about an earlier attempt says nothing of this one.
    let earlier = RunningFacts { task_id: task().as_bytes().to_vec(), has_begun: true, ..Default::default() };
    let executor = process(9, Some(Explained { running: vec![earlier], ..Default::default() }));
    let story = task_story(TaskFacts { attempt: 1, ..sent }, vec![executor]);
    assert_eq!(story["state"], "WAITS_IN_WORKER");
}

#[test]
fn what_a_task_waits_for_is_named() {
    let argument =
        ArgumentFacts { object_id: vec![1; 28], owner: worker(9), task_name: "g".to_owned(), state: "SENT".to_owned() };
    let waits = TaskFacts { waits_for: vec![argument], num_dependencies: 2, ..facts("WAITS_FOR_ARGUMENTS") };
    let story = task_story(waits, Vec::new());
    assert!(why(&story).contains("which task g makes (SENT)"), "{story}");
    let foreign = ArgumentFacts { object_id: vec![1; 28], owner: worker(9), ..Default::default() };
    let waits = TaskFacts { waits_for: vec![foreign], ..facts("WAITS_FOR_ARGUMENTS") };
    let story = task_story(waits, vec![process(9, Some(Explained::default()))]);
    assert!(why(&story).contains("which process 109 on node abababababab owns"), "{story}");
    let calls = TaskFacts {
        actor_state: "RESTARTING".to_owned(),
        others: 2,
        actor_id: vec![5; 16],
        ..facts("WAITS_FOR_ACTOR")
    };
    assert_eq!(why(&task_story(calls, Vec::new())), "its actor is being restarted, behind 2 calls of this caller");
    let retry = TaskFacts { retry_in_ms: 2_500, attempt: 1, ..facts("WAITS_FOR_RETRY") };
    assert_eq!(why(&task_story(retry, Vec::new())), "attempt 1 failed; the next begins in 2.5 s");
}

#[test]
fn nodes_are_judged_one_by_one() {
    let waits = TaskFacts { needs: BTreeMap::from([("CPU".to_owned(), 1.0)]), ..facts("WAITS_FOR_LEASE") };
    let owner = process(7, Some(Explained { tasks: vec![waits], ..Default::default() }));
    let mut known = known(&task().hex(), vec![owner]);
    known.nodes[0].held = vec![HeldFacts { name: "slow".to_owned(), count: 4, ..Default::default() }];
    assert_eq!(known.needs().len(), 1);
    let full = "is full: 0 of 4 CPU are free".to_owned();
    known.judged.insert(task().as_bytes().to_vec(), (None, vec![(NodeId::new(NODE), full)]));
    let story = &tasks::stories(&known)[0];
    assert!(has_line(story, "node", "is full: 0 of 4 CPU are free; in use by slow × 4"), "{story}");
    known.judged.insert(task().as_bytes().to_vec(), (Some("needs CPU: 64, but".to_owned()), Vec::new()));
    assert_eq!(why(&tasks::stories(&known)[0]), "needs CPU: 64, but");
}

#[test]
fn failures_have_codes_and_earlier_attempts_their_causes() {
    let past =
        AttemptFacts { attempt: 0, time_us: 1_000_000, reason: "it was killed".to_owned(), worker_id: worker(9) };
    let failed = TaskFacts {
        error_kind: "worker_died".to_owned(),
        error_message: "gone".to_owned(),
        attempt: 1,
        past: vec![past],
        ..facts("FAILED")
    };
    let story = task_story(failed, Vec::new());
    assert_eq!(why(&story), "TRY0003 WorkerCrashedError: gone");
    assert!(has_line(&story, "earlier", "attempt 1 ended at 1970-01-01 00:00:01.000 UTC"), "{story}");
    assert!(has_line(&story, "earlier", "a process of node abababababab that is gone: it was killed"), "{story}");
}

#[test]
fn an_objects_places_and_holders_are_told() {
    let id = task().object(0);
    let object = ObjectFacts {
        object_id: id.as_bytes().to_vec(),
        state: "STORED".to_owned(),
        size_bytes: 3 << 20,
        borrowers: vec![BorrowerFacts { worker_id: worker(9), lends: 1 }],
        retries_left: 2,
        ..Default::default()
    };
    let owner =
        process(7, Some(Explained { tasks: vec![facts("FINISHED")], objects: vec![object], ..Default::default() }));
    let borrowed = BorrowedFacts {
        object_id: id.as_bytes().to_vec(),
        owner: worker(7),
        local_references: 2,
        ..Default::default()
    };
    let borrower = process(9, Some(Explained { borrowed: vec![borrowed], ..Default::default() }));
    let mut known = known(&id.hex(), vec![owner, borrower]);
    let in_file = StoredFacts {
        object_id: id.as_bytes().to_vec(),
        place: "file".to_owned(),
        file: "file 3 in /tmp/x".to_owned(),
        ..Default::default()
    };
    known.nodes[0].stored = vec![in_file];
    let stories = objects::stories(&known);
    let story = &stories[0];
    assert_eq!(story["state"], "SPILLED");
    assert!(has_line(story, "where", "file 3 in /tmp/x of node abababababab"), "{story}");
    assert!(has_line(story, "held by", "process 109 on node abababababab, which borrows it (2 references)"), "{story}");
    assert!(has_line(story, "rebuild", "its task can make it again (2 retries left)"), "{story}");
    assert!(tasks::stories(&known).is_empty(), "whoever gives an object's id asks for the object");
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let digits = task().hex();
    let story = unknown::story(&known(
        &digits,
        vec![process(7, Some(Explained { fate: "never".to_owned(), ..Default::default() }))],
    ));
    let story = story.expect("a story");
    assert_eq!((story["is_known"].as_bool(), why(&story)), (Some(false), "its owner has never had such a task"));
    let story = unknown::story(&known(
        &digits,
        vec![process(7, Some(Explained { fate: "over".to_owned(), ..Default::default() }))],
    ));
    assert_eq!(story.expect("a story")["state"], "OVER");
    let silent = ProcessFacts { os_state: "stopped".to_owned(), ..process(7, None) };
    let story = unknown::story(&known(&digits, vec![silent])).expect("a story");
    assert!(
        story["is_known"] == true
            && why(&story).contains("the program, process 107 on node abababababab does not answer"),
        "{story}"
    );
    let mut dead = known(&digits, Vec::new());
    dead.nodes[0].owner_death = Some(Death { message: "it was killed".to_owned(), ..Default::default() });
    let story = unknown::story(&dead).expect("a story");
    assert!(
        story["is_known"] == true && why(&story).contains("its owner is dead") && why(&story).contains("it was killed"),
        "{story}"
    );
    let mut elsewhere = known(&digits, Vec::new());
    elsewhere.silent = vec![NodeId::new(NODE)];
    let story = unknown::story(&elsewhere).expect("a story");
    assert!(story["is_known"] == false && why(&story).contains("1 node did not"), "{story}");
}
