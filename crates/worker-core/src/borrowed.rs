//! Objects that other processes own and this one refers to (OWN-4).

use crate::effect::Effect;
use crate::entry::{Reference, Value};
use crate::error_value::SystemError;
use crate::state::{Borrowed, Core};
use trygon_ids::{ObjectId, WorkerId};

impl Core {
    pub(crate) fn borrowed_mut(&mut self, reference: &Reference) -> &mut Borrowed {
        self.borrowed.entry(reference.object).or_insert_with(|| Borrowed {
            owner: reference.owner,
            local_references: 0,
            uses: 0,
            lends: 0,
            value: Value::Pending,
            contained: Vec::new(),
            queried: false,
            has_copy: false,
            watched: false,
            is_severed: false,
            waiters: Vec::new(),
        })
    }

    /// The sender of this reference has told its owner that this process borrows it. Follow it by a count of its own, or by
    /// [`Core::settle`].
    pub fn receive_lent(&mut self, reference: &Reference) {
        if self.owns(&reference.object) {
            return;
        }
        let borrowed = self.borrowed_mut(reference);
        borrowed.lends += 1;
        if std::mem::take(&mut borrowed.is_severed) {
            // Its owner can be reached again, or will be: it is asked anew.
            borrowed.value = Value::Pending;
            borrowed.queried = false;
            let contained = std::mem::take(&mut borrowed.contained);
            contained.iter().for_each(|inner| self.release_use(inner));
        }
    }

    /// A copy of the object is being fetched from another node: `Effect::Forgotten` says when nothing here refers to it any more. Of an own
    /// object `Effect::FreeStored` says the same.
    pub fn note_copy(&mut self, object: &ObjectId) {
        if let Some(borrowed) = self.borrowed.get_mut(object) {
            borrowed.has_copy = true;
        }
    }

    /// A task begins to run here. What it lends on from now on is named in its reply.
    pub fn begin_task(&mut self) {
        self.lent_on.get_or_insert_default().clear();
    }

    /// Whether the reply names a reference that came with the task's arguments, as kept (OWN-4 a): because it is held beyond the task, or
    /// because it was lent on. The owner hears of a lend on another connection than of the caller's unpinning, so that the one may overtake
    /// the other; named, this process is a borrower until its own return, which follows the lend on the same connection.
    pub fn report_kept(&mut self, reference: &Reference) -> bool {
        if self.holds(reference) {
            self.receive_lent(reference);
            return true;
        }
        let was_lent_on = self.lent_on.as_ref().is_some_and(|lent_on| lent_on.contains(&reference.object));
        if was_lent_on {
            let borrower = self.identity.worker;
            self.effects.push(Effect::ReportBorrow { reference: *reference, borrower, delta: -1 });
        }
        was_lent_on
    }

    /// Whether another process holds an object of this one.
    pub fn is_lent_out(&self) -> bool {
        self.table.used().any(|(_, entry)| {
            let objects = (0..entry.num_objects()).filter_map(|index| entry.object(index));
            objects
                .filter_map(|object| object.detail.as_ref())
                .any(|detail| detail.borrowers.values().any(|lends| *lends > 0))
        })
    }

    /// Records or forwards that `borrower` now borrows what this process can reach itself.
    pub fn lend(&mut self, reference: &Reference, borrower: WorkerId) {
        if reference.owner == borrower {
            return;
        }
        if self.owns(&reference.object) {
            self.on_borrow_report(&reference.object, borrower, 1);
        } else if !self.defects.lend_forgotten {
            if let Some(lent_on) = &mut self.lent_on {
                lent_on.insert(reference.object);
            }
            self.effects.push(Effect::ReportBorrow { reference: *reference, borrower, delta: 1 });
        }
    }

    /// A process runs a task again that names an object which it had given back: it borrows it once more. One that was freed meanwhile is made
    /// again, if it can be.
    pub fn on_borrow_again(&mut self, object: &ObjectId, borrower: WorkerId) {
        let task = object.task_id();
        let index = object.index() & !trygon_ids::PUT_INDEX_BIT;
        if self.table.get(task.slot(), task.generation()).is_some_and(|entry| entry.is_freed(index))
            && !self.revive_for_borrower(object)
        {
            return;
        }
        self.on_borrow_report(object, borrower, 1);
    }

    /// The owner's side of a report.
    pub fn on_borrow_report(&mut self, object: &ObjectId, borrower: WorkerId, delta: i64) {
        // OWN-4 c: a borrower's death counted as done, and nobody would give this back.
        if self.dead.contains(&borrower) {
            return;
        }
        let task = object.task_id();
        let Some(entry) = self.table.get_mut(task.slot(), task.generation()) else { return };
        let index = object.index() & !trygon_ids::PUT_INDEX_BIT;
        // What a kept task names may come back: its counts are kept too.
        if entry.is_freed(index) && (entry.lineage_pins == 0 || entry.object(index).is_none()) {
            return;
        }
        let Some(held) = entry.object_mut(index) else { return };
        let borrowers = &mut held.detail_mut().borrowers;
        let balance = borrowers.entry(borrower).or_insert(0);
        *balance += delta;
        if *balance == 0 {
            borrowers.remove(&borrower);
        }
        self.collect_object(task.slot(), index);
    }

    /// Asks the owner for the value, once.
    pub(crate) fn query(&mut self, reference: &Reference) {
        let borrowed = self.borrowed_mut(reference);
        if !borrowed.queried && !borrowed.value.is_ready() {
            borrowed.queried = true;
            self.effects.push(Effect::Query { reference: *reference });
        }
    }

    /// The owner's answer. References inside were lent to this process by the answering owner.
    pub fn on_object_reply<O: crate::Outbox>(
        &mut self,
        object: &ObjectId,
        value: Value,
        mut contained: Vec<Reference>,
        outbox: &mut O,
    ) {
        self.hold_contained(&mut contained);
        let Some(borrowed) = self.borrowed.get_mut(object).filter(|borrowed| !borrowed.value.is_ready()) else {
            for inner in &contained {
                self.release_use(inner);
            }
            return;
        };
        borrowed.value = value;
        borrowed.contained = contained;
        let waiters = std::mem::take(&mut borrowed.waiters);
        self.watched_completions += u64::from(std::mem::take(&mut borrowed.watched));
        self.wake(*object, waiters, outbox);
    }

    /// OWN-5: what the dead process owned fails, what it borrowed counts as given back.
    pub fn on_process_died<O: crate::Outbox>(&mut self, worker: WorkerId, cause: &str, outbox: &mut O) {
        self.dead.insert(worker, ());
        self.part(worker, cause, false, outbox);
    }

    /// The connection with a process that may live broke, and with it reports between the two were lost. What either had of the other
    /// counts as given back, as after a death; but what is lent from now on is borrowed again (OWN-4).
    pub(crate) fn on_connection_lost<O: crate::Outbox>(&mut self, worker: WorkerId, cause: &str, outbox: &mut O) {
        self.part(worker, cause, true, outbox);
    }

    fn part<O: crate::Outbox>(&mut self, worker: WorkerId, cause: &str, may_live: bool, outbox: &mut O) {
        self.on_searched_died(worker, outbox);
        let orphans: Vec<ObjectId> =
            self.borrowed.iter().filter(|(_, borrowed)| borrowed.owner == worker).map(|(object, _)| *object).collect();
        let orphans = if self.defects.orphans_ignored { Vec::new() } else { orphans };
        for object in orphans {
            self.lose_owner(object, cause, may_live, outbox);
        }
        let slots: Vec<u32> = self.table.used().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.drop_borrower(slot, worker);
        }
    }

    fn lose_owner<O: crate::Outbox>(&mut self, object: ObjectId, cause: &str, may_live: bool, outbox: &mut O) {
        let Some(borrowed) = self.borrowed.get_mut(&object) else { return };
        if may_live {
            // The owner counts them as given back.
            borrowed.lends = 0;
        }
        if matches!(borrowed.value, Value::Inline(_) | Value::Error(_)) {
            return;
        }
        borrowed.value = Value::Error(
            SystemError::new("owner_died")
                .with("object_id", object.hex())
                .with("owner", borrowed.owner.hex())
                .with("message", cause)
                .encode(),
        );
        borrowed.is_severed = may_live;
        let waiters = std::mem::take(&mut borrowed.waiters);
        self.watched_completions += u64::from(std::mem::take(&mut borrowed.watched));
        self.wake(object, waiters, outbox);
    }

    fn drop_borrower(&mut self, slot: u32, worker: WorkerId) {
        let mut changed = Vec::new();
        for (index, object) in self.table.at_mut(slot).objects_mut() {
            let detail = object.detail.as_mut();
            if detail.is_some_and(|detail| detail.borrowers.remove(&worker).is_some()) {
                changed.push(index);
            }
        }
        for index in changed {
            self.collect_object(slot, index);
        }
    }
}
