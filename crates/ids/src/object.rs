//! Object identifiers: task 24, index 4.

use crate::TaskId;
use crate::macros::byte_id;

/// Set in the index of an object that was made by `put` instead of by a task's return.
pub const PUT_INDEX_BIT: u32 = 1 << 31;

byte_id!(
    /// One object, 28 bytes.
    ObjectId, 28);

impl TaskId {
    /// The id of this task's return value number `index`.
    pub fn object(&self, index: u32) -> ObjectId {
        ObjectId::of(*self, index)
    }
}

impl ObjectId {
    /// Object number `index` of `task`.
    pub fn of(task: TaskId, index: u32) -> Self {
        let mut bytes = [0; 28];
        bytes[..24].copy_from_slice(task.as_bytes());
        bytes[24..].copy_from_slice(&index.to_le_bytes());
        Self::new(bytes)
    }

    /// The task that makes the object, or the pseudo task that stands for a `put`.
    pub fn task_id(&self) -> TaskId {
        let mut bytes = [0; 24];
        bytes.copy_from_slice(&self.as_bytes()[..24]);
        TaskId::new(bytes)
    }

    /// The object's number among those of its task.
    pub fn index(&self) -> u32 {
        let bytes = self.as_bytes();
        u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]])
    }

    /// Whether `put` made it.
    pub fn is_put(&self) -> bool {
        self.index() & PUT_INDEX_BIT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, OwnerIncarnation};

    #[test]
    fn index_and_task_survive() {
        let task = TaskId::of(JobId::new([1; 4]), OwnerIncarnation::new([2; 12]), 3, 4);
        let object = task.object(5 | PUT_INDEX_BIT);
        assert_eq!(object.task_id(), task);
        assert!(object.is_put());
        assert_eq!(object.index() & !PUT_INDEX_BIT, 5);
    }
}
