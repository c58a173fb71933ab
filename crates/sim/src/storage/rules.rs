//! Planted defects: each takes one rule of the store away, and some seed must show it.

use crate::storage::planted::Planted;

/// A defect: the label of the rule that it breaks, its name, the workload that shows it, and how it is planted.
#[derive(Debug, Clone, Copy)]
pub struct PlantedRule {
    /// The rule.
    pub label: &'static str,
    /// What is wrong.
    pub name: &'static str,
    /// A workload in which it shows.
    pub workload: &'static str,
    /// Plants it.
    pub plant: fn(&mut Planted),
}

const fn rule(label: &'static str, name: &'static str, workload: &'static str, plant: fn(&mut Planted)) -> PlantedRule {
    PlantedRule { label, name, workload, plant }
}

/// All of them.
pub const DEFECTS: &[PlantedRule] = &[
    rule("STORE-1", "an object is sealed where another one lies", "store", |planted| {
        planted.store.overlap_accepted = true
    }),
    rule("STORE-1", "an object is sealed in another's segment", "store", |planted| {
        planted.store.stranger_accepted = true
    }),
    rule("STORE-1", "whatever lies at a place is freed", "store", |planted| planted.store.freed_by_place = true),
    rule("STORE-1", "a writer that took its space back is given it again", "store", |planted| {
        planted.store.returned_twice = true
    }),
    rule("STORE-1", "a page goes back though an object ends in it", "store", |planted| {
        planted.store.trimmed_whole = true
    }),
    rule("STORE-1", "the last, begun line of an object is left out", "store", |planted| planted.cuts_lines = true),
    rule("STORE-2", "what a dead process owned goes whoever reads it", "store", |planted| {
        planted.store.readers_ignored = true
    }),
    rule("STORE-2", "who maps a segment is not written down", "store", |planted| planted.store.reader_forgotten = true),
    rule("STORE-2", "the pages go with the segment whoever reads them", "store", |planted| {
        planted.store.always_erased = true
    }),
    rule("STORE-3", "a dead process waits for space", "store", |planted| planted.store.dead_waits = true),
    rule("STORE-3", "memory of a dead process that holds nothing stays", "store", |planted| {
        planted.store.memory_kept = true
    }),
    rule("STORE-3", "a dead process stays the writer of its segments", "store", |planted| {
        planted.store.writer_kept = true
    }),
    rule("STORE-3", "a dead process stays a reader", "store", |planted| planted.store.reader_kept = true),
    rule("STORE-3", "what is sealed for a dead owner is kept", "store", |planted| {
        planted.store.sealed_for_nobody = true
    }),
    rule("STORE-3", "what was held for readers stays without them", "store", |planted| {
        planted.store.held_for_nobody = true
    }),
    rule("STORE-3", "what a dead process owned stays in files", "spill", |planted| planted.store.orphans_kept = true),
    rule("STORE-4", "nobody looks at who waits when a segment goes back", "store", |planted| {
        planted.store.return_unnoticed = true
    }),
    rule("STORE-4", "nobody looks at who waits when a process dies", "store", |planted| {
        planted.store.death_unnoticed = true
    }),
    rule("STORE-4", "nobody looks at who waits when a segment was not made", "store", |planted| {
        planted.store.failure_unnoticed = true
    }),
    rule("STORE-4", "nobody looks at who stood behind what was refused", "spill", |planted| {
        planted.store.refusal_unnoticed = true
    }),
    rule("STORE-4", "nobody looks at who waits when all was read from files", "spill", |planted| {
        planted.store.reading_unnoticed = true
    }),
    rule("STORE-4", "a request waits for ever", "store", |planted| planted.store.never_refused = true),
    rule("STORE-4", "a full store is an error", "store", |planted| planted.store.full_is_error = true),
    rule("SPILL-STORE-1", "what a file has goes when its object's memory does", "spill", |planted| {
        planted.store.part_ended_early = true
    }),
    rule("SPILL-STORE-1", "what could not be written counts as written", "spill", |planted| {
        planted.store.failure_is_success = true
    }),
    rule("SPILL-STORE-2", "memory is taken from what somebody looks at", "spill", |planted| {
        planted.store.lookers_ignored = true
    }),
    rule("SPILL-STORE-2", "memory is taken before everyone has said what he looks at", "spill", |planted| {
        planted.store.word_not_awaited = true
    }),
    rule("SPILL-STORE-2", "memory that is being written into a file is given back", "spill", |planted| {
        planted.store.write_not_awaited = true
    }),
    rule("SPILL-STORE-2", "memory is taken from what is being sent", "spill", |planted| {
        planted.store.sent_taken = true
    }),
    rule("SPILL-STORE-3", "what a file has of a freed object counts as needed", "spill", |planted| {
        planted.store.part_kept = true
    }),
    rule("SPILL-STORE-3", "a file of which nothing is needed stays", "spill", |planted| {
        planted.store.empty_file_kept = true
    }),
    rule("SPILL-STORE-4", "more is written than the quota allows", "spill", |planted| {
        planted.store.quota_ignored = true
    }),
    rule("SPILL-STORE-4", "files that are being written do not count", "spill", |planted| {
        planted.store.writes_uncounted = true
    }),
    rule("SPILL-STORE-5", "nothing is written anew", "spill", |planted| planted.store.waste_kept = true),
    rule("PULL-1", "what is fetched is fetched once more for who asks later", "pulls", |planted| {
        planted.pulls.fetched_twice = true
    }),
    rule("PULL-2", "what runs does not count", "pulls", |planted| planted.pulls.budget_ignored = true),
    rule("PULL-2", "what was asked for first goes first", "pulls", |planted| planted.pulls.urgency_ignored = true),
    rule("PULL-2", "nobody looks at what waits when a transfer ends", "pulls", |planted| {
        planted.pulls.end_unnoticed = true
    }),
    rule("PULL-3", "who asks for what is on its way is not written down", "pulls", |planted| {
        planted.pulls.asker_forgotten = true
    }),
    rule("PULL-3", "of those who asked one is told of a failure", "pulls", |planted| {
        planted.pulls.failure_told_once = true
    }),
    rule("PULL-3", "what rests rests for ever", "pulls", |planted| planted.pulls.rest_endless = true),
    rule("PULL-4", "room is given back before the fetch has stopped", "pulls", |planted| {
        planted.pulls.stop_not_awaited = true
    }),
    rule("PULL-5", "who asks for a copy that is here does not hold it", "pulls", |planted| {
        planted.pulls.holder_forgotten = true
    }),
    rule("PULL-5", "a transfer to another node does not keep the copy", "pulls", |planted| {
        planted.pulls.sends_ignored = true
    }),
    rule("PULL-5", "a transfer that outlived its copy lets go of the next", "pulls", |planted| {
        planted.pulls.late_end_counts = true
    }),
    rule("PULL-5", "a copy that nobody holds stays", "pulls", |planted| planted.pulls.copy_kept = true),
    rule("PULL-6", "a span counts before its source has said so", "spread", |planted| {
        planted.chunks.unverified_counts = true
    }),
    rule("PULL-6", "a span that is fetched again passes for the one before", "spread", |planted| {
        planted.chunks.generation_kept = true
    }),
    rule("PULL-7", "a room into which nothing comes is waited for", "spread", |planted| {
        planted.chunks.patience_endless = true
    }),
    rule("PULL-7", "a room that was given up is a source", "spread", |planted| planted.chunks.end_ignored = true),
    rule("PULL-8", "who asks is sent to one that waits for it", "spread", |planted| planted.serve.below_ignored = true),
    rule("PULL-8", "who left a receiver counts as sent to it", "spread", |planted| planted.serve.left_counted = true),
    rule("PULL-8", "who was sent to a node that died counts as sent to it", "spread", |planted| {
        planted.serve.orphans_kept = true
    }),
];
