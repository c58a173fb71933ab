//! Runs `trygon_fuzz::recorder` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trygon_fuzz::recorder(data));
