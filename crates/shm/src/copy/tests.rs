//! Every way to copy gives the same bytes.

use super::*;

fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|index| (index as u8).wrapping_mul(31).wrapping_add((index >> 8) as u8).wrapping_add(seed)).collect()
}

fn plans() -> Vec<CopyPlan> {
    let mut plans = Vec::new();
    for threads in 1..=2 {
        for non_temporal in [false, true] {
            plans.push(CopyPlan { threads, non_temporal });
        }
    }
    plans
}

#[test]
fn any_alignment_and_length() {
    for plan in plans() {
        for len in
            [0, 1, 63, 64, 255, NON_TEMPORAL_BYTES, NON_TEMPORAL_BYTES + 77, STEP_BYTES + 5, THREADED_BYTES + 4097]
        {
            for shift in [0, 1, 17, 63] {
                let source = pattern(len + shift, 3);
                let mut target = vec![0xee; len + 128];
                copy_slice(&mut target[shift..shift + len], &source[shift..], plan);
                assert!(target[shift..shift + len] == source[shift..], "{plan:?} len {len} shift {shift}");
                assert!(target[..shift].iter().chain(&target[shift + len..]).all(|byte| *byte == 0xee));
            }
        }
    }
}

#[test]
fn parts_are_joined_whatever_thread_copies_them() {
    let lengths = [5, 0, 3 << 20, 1, 700 << 10, 4096, 2 << 20, 100];
    let parts: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(index, len)| pattern(*len, index as u8)).collect();
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let joined = parts.concat();
    for plan in plans() {
        let mut target = vec![0; joined.len()];
        let announced = std::sync::Mutex::new(0);
        let before = |_: usize, len: usize| *announced.lock().expect("no panic inside") += len;
        // SAFETY: the target is exclusive and as long as the parts together.
        unsafe { copy_parts(target.as_mut_ptr(), &slices, plan, &before) };
        assert!(target == joined, "{plan:?}");
        assert_eq!(*announced.lock().expect("no panic inside"), joined.len());
    }
}
