//! Task identifiers: job 4, owner incarnation 12, slot 4, generation 4.

use crate::JobId;
use crate::macros::byte_id;

byte_id!(
    /// One life of one owning process, unique across restarts, 12 bytes.
    OwnerIncarnation, 12);
byte_id!(
    /// One task, across its attempts, 24 bytes.
    TaskId, 24);

impl TaskId {
    /// The id of the task in `slot`, used for the `generation`-th time, of one owner.
    pub fn of(job: JobId, owner: OwnerIncarnation, slot: u32, generation: u32) -> Self {
        let mut bytes = [0; 24];
        bytes[..4].copy_from_slice(job.as_bytes());
        bytes[4..16].copy_from_slice(owner.as_bytes());
        bytes[16..20].copy_from_slice(&slot.to_le_bytes());
        bytes[20..].copy_from_slice(&generation.to_le_bytes());
        Self::new(bytes)
    }

    /// The job the task belongs to.
    pub fn job_id(&self) -> JobId {
        let bytes = self.as_bytes();
        JobId::new([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// The incarnation of the process that owns the task.
    pub fn owner(&self) -> OwnerIncarnation {
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&self.as_bytes()[4..16]);
        OwnerIncarnation::new(bytes)
    }

    /// The place in the owner's table.
    pub fn slot(&self) -> u32 {
        let bytes = self.as_bytes();
        u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]])
    }

    /// How often that place had been used before.
    pub fn generation(&self) -> u32 {
        let bytes = self.as_bytes();
        u32::from_le_bytes([bytes[20], bytes[21], bytes[22], bytes[23]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_the_byte_form() {
        let id = TaskId::of(JobId::new([1, 2, 3, 4]), OwnerIncarnation::new([7; 12]), 9, 70_000);
        let read = TaskId::from_bytes(id.as_bytes()).expect("24 bytes");
        assert_eq!((read.job_id(), read.owner()), (JobId::new([1, 2, 3, 4]), OwnerIncarnation::new([7; 12])));
        assert_eq!((read.slot(), read.generation()), (9, 70_000));
    }

    #[test]
    fn a_wrong_length_is_refused() {
        let error = TaskId::from_bytes(&[0; 3]).expect_err("3 bytes are no task id");
        assert_eq!(error.to_string(), "TaskId takes 24 bytes, got 3");
    }
}
