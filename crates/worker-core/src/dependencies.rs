//! Tasks whose arguments are references: they wait for them, take them along, or fail with them.

use crate::arguments::{NO_DEPENDENCIES, put_dependency};
use crate::effect::Outbox;
use crate::entry::{Phase, Reference, TaskDetail, Value, Waiter};
use crate::error_value::SystemError;
use crate::state::Core;
impl Core {
    /// Counts what a new task has to wait for, and pins what it uses (OWN-4 a).
    pub(crate) fn register_dependencies(
        &mut self,
        slot: u32,
        dependencies: &[Reference],
        contained: &[Reference],
    ) -> u32 {
        let generation = self.table.at(slot).generation;
        let mut pending = 0;
        for reference in dependencies {
            self.pin(reference);
            if self.add_waiter(reference, Waiter::Task { slot, generation }) {
                pending += 1;
            }
        }
        for reference in contained {
            self.pin(reference);
        }
        pending
    }

    pub(crate) fn pin(&mut self, reference: &Reference) {
        if !self.defects.pin_forgotten {
            self.retain_use(reference);
        }
    }

    pub(crate) fn on_dependency_ready<O: Outbox>(&mut self, slot: u32, generation: u32, outbox: &mut O) {
        let Some(entry) = self.table.get_mut(slot, generation) else { return };
        let Some(detail) = entry.detail.as_mut() else { return };
        detail.pending_dependencies = detail.pending_dependencies.saturating_sub(1);
        if detail.pending_dependencies == 0 && entry.phase == Phase::WaitsForArguments {
            self.on_arguments_ready(slot, outbox);
        }
    }

    /// The error of the first argument that failed, if one did.
    pub(crate) fn failed_dependency(&self, slot: u32) -> Option<Box<[u8]>> {
        let detail = self.table.at(slot).detail.as_ref()?;
        detail.dependencies.iter().find_map(|reference| match self.value_of(reference) {
            Some(Value::Error(error)) => Some(error.clone()),
            Some(_) => None,
            None => Some(SystemError::new("object_freed").with("object_id", reference.object.hex()).encode()),
        })
    }

    /// Has a task wait again whose arguments were lost while it waited to be sent. True when it does.
    pub(crate) fn waits_again(&mut self, slot: u32) -> bool {
        if !self.has_losses {
            return false;
        }
        let entry = self.table.at(slot);
        let generation = entry.generation;
        let Some(detail) = &entry.detail else { return false };
        let mut pending = 0;
        for reference in detail.dependencies.clone() {
            pending += u32::from(self.add_waiter(&reference, Waiter::Task { slot, generation }));
        }
        let entry = self.table.at_mut(slot);
        if let Some(detail) = entry.detail.as_mut().filter(|_| pending > 0) {
            detail.pending_dependencies = pending;
            entry.phase = Phase::WaitsForArguments;
        }
        pending > 0
    }

    /// Fails a task whose argument was lost while it waited to be sent: its owner died. True when it did.
    pub(crate) fn fail_if_argument_failed<O: Outbox>(&mut self, slot: u32, outbox: &mut O) -> bool {
        if self.table.at(slot).detail.is_none() {
            return false;
        }
        let Some(error) = self.failed_dependency(slot) else { return false };
        let error = self.rebuild_error(slot, error);
        self.fail(slot, &error, outbox);
        true
    }

    /// The payload as it is sent: the stored one, or the one with the dependencies' values, built in the scratch buffer.
    pub(crate) fn with_payload<R>(&mut self, slot: u32, send: impl FnOnce(&Self, &[u8]) -> R) -> R {
        let is_built = |detail: &TaskDetail| !detail.dependencies.is_empty() || detail.stream.is_some();
        if !self.table.at(slot).detail.as_deref().is_some_and(is_built) {
            return send(self, self.table.at(slot).payload.as_slice());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        self.note_lost_items(slot);
        let entry = self.table.at(slot);
        if let Some(stream) = entry.stream() {
            stream.put_head(self.defects.skip_forgotten, &mut scratch);
        }
        let dependencies = entry.detail.as_ref().map_or(&[][..], |detail| &detail.dependencies);
        scratch.extend_from_slice(&(dependencies.len() as u32).to_le_bytes());
        for reference in dependencies {
            let value = self.value_of(reference).unwrap_or(&Value::Pending);
            put_dependency(&mut scratch, reference, value, self.contained_in(reference));
        }
        scratch.extend_from_slice(&entry.payload.as_slice()[NO_DEPENDENCIES.len()..]);
        let sent = send(self, &scratch);
        scratch.shrink_to(1 << 20);
        self.scratch = scratch;
        sent
    }

    /// Unpins what a finished task used.
    pub(crate) fn release_arguments(&mut self, slot: u32) {
        let Some(detail) = self.table.at_mut(slot).detail.as_mut() else { return };
        let dependencies = std::mem::take(&mut detail.dependencies);
        let contained = std::mem::take(&mut detail.contained);
        if self.defects.pin_forgotten {
            return;
        }
        for reference in dependencies.iter().chain(&contained) {
            self.release_use(reference);
        }
    }
}

impl Core {
    /// The payload of a constructor: dependencies with those of their values that are there, then the arguments. An actor is created at
    /// once: its process waits for the others, and fails as its constructor does with one that failed.
    pub fn constructor_payload(&self, payload: &[u8], dependencies: &[Reference]) -> Vec<u8> {
        let mut built = (dependencies.len() as u32).to_le_bytes().to_vec();
        for reference in dependencies {
            let value = self.value_of(reference).unwrap_or(&Value::Pending);
            put_dependency(&mut built, reference, value, self.contained_in(reference));
        }
        built.extend_from_slice(&payload[NO_DEPENDENCIES.len()..]);
        built
    }
}
