//! Runs `trygon_fuzz::frame_reader` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trygon_fuzz::frame_reader(data));
