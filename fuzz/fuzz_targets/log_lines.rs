//! Runs `trygon_fuzz::log_lines` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trygon_fuzz::log_lines(data));
