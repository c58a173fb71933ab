//! How large a segment a writer gets.
//!
//! A large object gets a segment of its own size. For small ones each further segment of a writer is twice as large, so that thousands of
//! objects do not ask thousands of times, while a worker that makes one result costs little memory and little time.

use crate::table::state::StoreTable;
use crate::writer_pool::SMALL_BYTES;
use trygon_ids::WorkerId;

const PAGE_BYTES: u64 = 4096;
const LARGE_UNIT_BYTES: u64 = 2 << 20;
/// A writer's first segment for small objects.
const FIRST_SHARED_BYTES: u64 = 4 << 20;
/// How often the size doubles.
const DOUBLINGS: u32 = 4;
/// At least so many objects of the size asked for fit into a segment for small ones.
const LEAST_OBJECTS: u64 = 4;
/// A segment for small objects takes at most this share of the store.
const SMALLEST_SHARE: u64 = 16;

/// The sizes to try for a request, best first. `None` when no empty store could hold it.
pub(crate) fn sizes_to_try(table: &StoreTable, writer: WorkerId, least_bytes: u64) -> Option<Vec<u64>> {
    let capacity = table.limits.capacity_bytes;
    let least = least_bytes.max(1).checked_next_multiple_of(PAGE_BYTES).filter(|least| *least <= capacity)?;
    let mut sizes = Vec::with_capacity(3);
    if least <= SMALL_BYTES {
        let held = table.segments.values().filter(|segment| segment.writer == Some(writer)).count() as u32;
        let for_several = (least * LEAST_OBJECTS).next_multiple_of(LARGE_UNIT_BYTES);
        let wanted = (FIRST_SHARED_BYTES << held.min(DOUBLINGS)).max(for_several);
        let share = capacity / SMALLEST_SHARE / LARGE_UNIT_BYTES * LARGE_UNIT_BYTES;
        sizes.push(wanted.min(share));
    }
    // Multiples of 2 MiB, so that a later object of about the size fits as well and huge pages can be used.
    sizes.push(least.next_multiple_of(LARGE_UNIT_BYTES));
    sizes.push(least);
    sizes.retain(|size| *size >= least && *size <= capacity);
    sizes.dedup();
    Some(sizes)
}
