//! Ids as people give them.

use trygon_ids::{ObjectId, TaskId};

/// The task that a whole id, or an object's, is of.
pub(super) fn task_of(digits: &str) -> Option<TaskId> {
    bytes(digits.get(..2 * TaskId::LEN)?).and_then(|bytes| TaskId::from_bytes(&bytes).ok())
}

/// The object of a whole id; the first result of a task.
pub(super) fn object_of(digits: &str) -> Option<ObjectId> {
    match digits.len() {
        length if length == 2 * ObjectId::LEN => bytes(digits).and_then(|bytes| ObjectId::from_bytes(&bytes).ok()),
        length if length == 2 * TaskId::LEN => task_of(digits).map(|task| task.object(0)),
        _ => None,
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
