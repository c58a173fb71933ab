//! Runs `trygon_fuzz::task_frames` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trygon_fuzz::task_frames(data));
