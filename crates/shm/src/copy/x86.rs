//! Non-temporal copies with 32-byte vectors. On machines with wider ones they are no faster: whole lines leave the core either way.

use std::arch::x86_64::{__m256i, _MM_HINT_NTA, _mm_prefetch, _mm_sfence, _mm256_loadu_si256, _mm256_stream_si256};

/// Length of a cache line.
const LINE_BYTES: usize = 64;
/// Bytes of one turn of the loop.
const TURN_BYTES: usize = 256;
/// How far ahead the source is fetched.
const AHEAD_BYTES: usize = 1024;

/// Copies `source` to `destination`, past the cache.
///
/// # Safety
///
/// The machine has AVX2; `source.len()` bytes can be written at `destination` and do not overlap the source.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn copy_avx2(destination: *mut u8, source: &[u8]) {
    let head = destination.align_offset(LINE_BYTES).min(source.len());
    let turns = (source.len() - head) / TURN_BYTES;
    let body_end = head + turns * TURN_BYTES;
    let from = source.as_ptr();
    // SAFETY: head, body and tail are disjoint pieces of the range that the caller promised; after the head the destination is
    // aligned to a line, as the streaming store demands. Fetching ahead never faults.
    unsafe {
        std::ptr::copy_nonoverlapping(from, destination, head);
        let mut at = head;
        while at < body_end {
            _mm_prefetch::<_MM_HINT_NTA>(from.wrapping_add(at + AHEAD_BYTES).cast());
            _mm_prefetch::<_MM_HINT_NTA>(from.wrapping_add(at + AHEAD_BYTES + LINE_BYTES).cast());
            _mm_prefetch::<_MM_HINT_NTA>(from.wrapping_add(at + AHEAD_BYTES + 2 * LINE_BYTES).cast());
            _mm_prefetch::<_MM_HINT_NTA>(from.wrapping_add(at + AHEAD_BYTES + 3 * LINE_BYTES).cast());
            let mut words = [std::mem::zeroed::<__m256i>(); TURN_BYTES / 32];
            for (index, word) in words.iter_mut().enumerate() {
                *word = _mm256_loadu_si256(from.add(at + index * 32).cast());
            }
            for (index, word) in words.iter().enumerate() {
                _mm256_stream_si256(destination.add(at + index * 32).cast(), *word);
            }
            at += TURN_BYTES;
        }
        std::ptr::copy_nonoverlapping(from.add(body_end), destination.add(body_end), source.len() - body_end);
        // Streaming stores are not ordered with later ones: the object must be whole before anyone learns that it is sealed.
        _mm_sfence();
    }
}
