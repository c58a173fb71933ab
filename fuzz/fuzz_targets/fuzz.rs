//! Runs one of `trygon_fuzz::TARGETS` under libFuzzer: the one that `TRYGON_FUZZ_TARGET` names.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn choose() {
    let name = std::env::var("TRYGON_FUZZ_TARGET").unwrap_or_default();
    let found = trygon_fuzz::TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("TRYGON_FUZZ_TARGET={name:?} names no target"));
    TARGET.get_or_init(|| *target);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(data);
    }
});
