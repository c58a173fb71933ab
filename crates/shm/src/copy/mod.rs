//! Copies into shared memory: wide stores that go past the cache, and several threads where the copy is large.
//!
//! An ordinary store first reads the line it writes to; a non-temporal one does not, which saves a third of the traffic. Above the size of
//! the second-level cache that is what counts. One core cannot use all of the memory's bandwidth, hence the threads.

#[cfg(target_arch = "x86_64")]
mod x86;

/// Below this a part is copied by `memcpy`: it stays in the cache, where its reader finds it.
const NON_TEMPORAL_BYTES: usize = 256 << 10;
/// Below this one thread does it all: starting another costs about as much as it would save.
const THREADED_BYTES: usize = 4 << 20;
/// No more threads than this: two nearly fill the memory's bandwidth on the machines measured.
const MAX_THREADS: usize = 2;
/// Pages are mapped and written in steps of this size, so that what the system zeroed or mapped is still in the cache.
const STEP_BYTES: usize = 2 << 20;

/// How a copy is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyPlan {
    /// Threads to use at most.
    pub threads: usize,
    /// Whether stores may go past the cache.
    pub non_temporal: bool,
}

impl Default for CopyPlan {
    /// Up to two threads, as far as the machine has them.
    fn default() -> Self {
        Self { threads: available_threads(), non_temporal: true }
    }
}

fn available_threads() -> usize {
    use std::sync::OnceLock;
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| std::thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS)))
}

/// An address that a helping thread may use.
#[derive(Clone, Copy)]
struct Destination(*mut u8);

// SAFETY: each thread writes to its own range behind the address.
unsafe impl Send for Destination {}

/// Copies `source` to a range of the same length.
pub fn copy_slice(destination: &mut [u8], source: &[u8], plan: CopyPlan) {
    assert_eq!(destination.len(), source.len(), "a copy needs two ranges of one length");
    // SAFETY: the destination is borrowed exclusively and as long as the source.
    unsafe { copy_parts(destination.as_mut_ptr(), &[source], plan, &|_, _| ()) };
}

/// Copies `parts` one after the other to `destination`. `before(start, len)` is called ahead of writing a range, counted from `destination`.
///
/// # Safety
///
/// As many bytes as the parts have together can be written at `destination`, by nobody else meanwhile, and no part overlaps them.
pub unsafe fn copy_parts(
    destination: *mut u8,
    parts: &[&[u8]],
    plan: CopyPlan,
    before: &(dyn Fn(usize, usize) + Sync),
) {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let threads = if total < THREADED_BYTES { 1 } else { plan.threads.clamp(1, MAX_THREADS) };
    if threads == 1 {
        // SAFETY: the caller's promise.
        unsafe { copy_window(destination, parts, 0, total, plan, before) };
        return;
    }
    // Cut at a page, so that no two threads map the same one.
    let share = total.div_ceil(threads).next_multiple_of(4096);
    let shared = Destination(destination);
    let helper = move |start: usize| {
        // The whole struct, not its field, has to move into the thread.
        let Destination(destination) = { shared };
        // SAFETY: the caller's promise; the windows of the threads do not overlap.
        unsafe { copy_window(destination, parts, start, (start + share).min(total), plan, before) };
    };
    std::thread::scope(|scope| {
        for index in 1..threads {
            let start = (index * share).min(total);
            let spawned =
                std::thread::Builder::new().name("trygon-copy".into()).spawn_scoped(scope, move || helper(start));
            if spawned.is_err() {
                // At the limit of threads: do it here.
                helper(start);
            }
        }
        helper(0);
    });
}

/// Copies the bytes `start..end` of the joined parts.
///
/// # Safety
///
/// As for `copy_parts`, for that window.
unsafe fn copy_window(
    destination: *mut u8,
    parts: &[&[u8]],
    start: usize,
    end: usize,
    plan: CopyPlan,
    before: &(dyn Fn(usize, usize) + Sync),
) {
    let mut part_start = 0;
    for part in parts {
        let part_end = part_start + part.len();
        let mut at = start.max(part_start);
        let stop = end.min(part_end);
        while at < stop {
            let len = (stop - at).min(STEP_BYTES);
            before(at, len);
            let source = &part[at - part_start..at - part_start + len];
            // SAFETY: `at + len` is at most the total length, so the caller's promise covers it.
            unsafe { copy_step(destination.add(at), source, plan.non_temporal && part.len() >= NON_TEMPORAL_BYTES) };
            at += len;
        }
        part_start = part_end;
        if part_start >= end {
            break;
        }
    }
}

/// # Safety
///
/// `source.len()` bytes can be written at `destination` and do not overlap the source.
unsafe fn copy_step(destination: *mut u8, source: &[u8], non_temporal: bool) {
    #[cfg(target_arch = "x86_64")]
    if non_temporal && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was detected; the rest is the caller's promise.
        unsafe { x86::copy_avx2(destination, source) };
        return;
    }
    let _ = non_temporal;
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), destination, source.len()) };
}

#[cfg(test)]
mod tests;
