//! Runs `trygon_fuzz::error_value` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trygon_fuzz::error_value(data));
