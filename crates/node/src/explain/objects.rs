//! The story of an object: who makes it, where it is, who holds it, and whether it could be made again.

use crate::explain::known::{Known, Place, hex, short};
use crate::explain::telling::{Telling, bytes_text, count, error_json, error_text, retries};
use serde_json::{Value, json};
use trygon_ids::{SegmentId, TaskId};
use trygon_wire::control::{BorrowedFacts, ObjectFacts, StoredFacts, TaskFacts};

/// Every object that was found with its owner: all of a task that was asked for only when `put` made it.
pub(crate) fn stories(known: &Known) -> Vec<Value> {
    let is_object = known.wanted.len() > 2 * TaskId::LEN;
    let objects = known.objects().filter(|(_, object)| is_object || object.is_put);
    objects.map(|(owner, object)| story(known, owner, object)).collect()
}

fn story(known: &Known, owner: Place<'_>, object: &ObjectFacts) -> Value {
    let mut telling = Telling::new("object", &hex(&object.object_id), "");
    let task = known.tasks().map(|(_, task)| task).find(|task| object.object_id.starts_with(&task.task_id));
    let stored: Vec<(&[u8], &StoredFacts)> =
        known.stored().filter(|(_, stored)| stored.object_id == object.object_id).collect();
    let is_spilled = !stored.is_empty() && stored.iter().all(|(_, stored)| stored.place == "file");
    let state = if object.state == "STORED" && is_spilled { "SPILLED" } else { object.state.as_str() };
    telling.say("state", state);
    telling.say("why", why(known, object, state, task));
    telling.line("owner", owner.describe());
    telling.put("owner", owner.json());
    tell_maker(object, task, &mut telling);
    if object.size_bytes > 0 {
        telling.line("size", bytes_text(object.size_bytes));
        telling.put("size_bytes", object.size_bytes.into());
    }
    tell_places(known, object, &stored, &mut telling);
    tell_holders(known, object, &mut telling);
    if !object.lost_reason.is_empty() {
        telling.say("lost", object.lost_reason.clone());
    }
    if matches!(state, "STORED" | "SPILLED" | "LOST") {
        telling.say("rebuild", rebuild_text(object));
        telling.put("can_be_rebuilt", object.no_rebuild.is_empty().into());
    }
    if !object.error_kind.is_empty() {
        telling.line("error", error_text(&object.error_kind, &object.error_message));
        telling.put("error", error_json(&object.error_kind, &object.error_message));
    }
    telling.finish()
}

fn tell_maker(object: &ObjectFacts, task: Option<&TaskFacts>, telling: &mut Telling) {
    match task {
        _ if object.is_put => telling.line("made by", "put, in its owner"),
        Some(task) => {
            let id = hex(&task.task_id);
            telling.line("made by", format!("task {} {id} ({})", task.name, task.state));
            telling.put("task", json!({ "task_id": id, "name": task.name, "state": task.state }));
        }
        None => {}
    }
}

fn tell_places(known: &Known, object: &ObjectFacts, stored: &[(&[u8], &StoredFacts)], telling: &mut Telling) {
    let mut data = Vec::new();
    for (node, stored) in stored {
        let looked_at = if stored.is_looked_at { ", where it is looked at" } else { "" };
        let what = match stored.place.as_str() {
            "copy" => "a copy in the memory".to_owned(),
            "file" => stored.file.clone(),
            "unreadable" => "a file that cannot be read".to_owned(),
            _ => "in the memory".to_owned(),
        };
        let readers = match stored.readers {
            0 => String::new(),
            readers => format!("; {} its memory mapped", count(readers as usize, "process has", "processes have")),
        };
        telling.line("where", format!("{what} of node {}{looked_at}{readers}", short(node)));
        data.push(
            json!({ "node_id": hex(node), "place": stored.place, "file": stored.file, "readers": stored.readers }),
        );
    }
    if data.is_empty() && object.state == "STORED" {
        let number = SegmentId(object.segment_id).node_number();
        let node = u32::try_from(number).ok().and_then(|number| known.numbers.get(&number));
        let node = node.map_or_else(
            || format!("node number {number}, which is gone"),
            |node| format!("node {}", short(node.as_bytes())),
        );
        telling.line("where", format!("said to be in the memory of {node}, whose store does not name it"));
    }
    if object.state == "INLINE" {
        telling.line("where", "in its owner's own memory");
    }
    telling.put("places", data.into());
}

fn tell_holders(known: &Known, object: &ObjectFacts, telling: &mut Telling) {
    let mut held = Vec::new();
    if object.local_references > 0 {
        held.push(format!(
            "{} of its owner's program",
            count(object.local_references as usize, "reference", "references")
        ));
    }
    if object.uses > 0 {
        held.push(count(
            object.uses as usize,
            "task or object that has it inside",
            "tasks or objects that have it inside",
        ));
    }
    if object.waiters > 0 {
        held.push(format!("{} for it", count(object.waiters as usize, "waiter", "waiters")));
    }
    if object.pins > 0 {
        held.push(format!(
            "{} that may be run again and would need it",
            count(object.pins as usize, "finished task", "finished tasks")
        ));
    }
    let mut borrowers = Vec::new();
    for borrower in &object.borrowers {
        let said = known
            .borrowed()
            .find(|(place, said)| place.process.worker_id == borrower.worker_id && said.object_id == object.object_id);
        let how = said.map_or_else(String::new, |(_, said)| borrower_text(said));
        held.push(format!("{}, which borrows it{how}", known.describe(&borrower.worker_id)));
        let references = said.map(|(_, said)| said.local_references);
        let pid = known.place_of(&borrower.worker_id).map(|place| place.process.pid);
        borrowers.push(json!({ "worker_id": hex(&borrower.worker_id), "pid": pid, "references": references }));
    }
    for one in &held {
        telling.line("held by", one.clone());
    }
    if held.is_empty() {
        telling.line("held by", "nothing: it goes");
    }
    telling.put("local_references", object.local_references.into());
    telling.put("uses", object.uses.into());
    telling.put("borrowers", borrowers.into());
}

/// How a borrower holds it.
pub(super) fn borrower_text(said: &BorrowedFacts) -> String {
    let mut parts = Vec::new();
    if said.local_references > 0 {
        parts.push(count(said.local_references as usize, "reference", "references"));
    }
    if said.uses > 0 {
        parts.push(count(said.uses as usize, "task or object", "tasks or objects"));
    }
    if said.is_awaited {
        parts.push("it waits for it".to_owned());
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn why(known: &Known, object: &ObjectFacts, state: &str, task: Option<&TaskFacts>) -> String {
    match state {
        "PENDING" => match task {
            Some(task) => {
                format!("its task {} is {}: `trygon explain {}` says why", task.name, task.state, hex(&task.task_id))
            }
            None => "its value is being written".to_owned(),
        },
        "LOST" => match task {
            Some(task) if task.is_rebuilding => {
                format!("it was lost, and its task {} makes it again ({})", task.name, task.state)
            }
            _ => "it was lost, and a copy of it is looked for".to_owned(),
        },
        "FREED" => "nothing refers to it any more".to_owned(),
        "ERROR" => error_text(&object.error_kind, &object.error_message),
        "SPILLED" => "memory was needed: it was written into a file, and comes back when it is asked for".to_owned(),
        "INLINE" => "it is there, in its owner: it lives as long as that process".to_owned(),
        _ if known.silent.is_empty() => "it is there, in shared memory".to_owned(),
        _ => format!("it is there, in shared memory; {} did not answer", count(known.silent.len(), "node", "nodes")),
    }
}

fn rebuild_text(object: &ObjectFacts) -> String {
    match object.no_rebuild.as_str() {
        "" => format!("if it is lost its task can make it again ({})", retries(object.retries_left)),
        why => format!("if it is lost it cannot be made again: {why}"),
    }
}
