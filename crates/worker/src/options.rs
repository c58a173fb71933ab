//! What the environment of a process says of its engine.

use crate::requests::RequestError;
use std::str::FromStr;
use trygon_worker_core::{Core, Identity, MemoryRetryRule, RetryDelays};

/// Most bytes that tasks may take which are kept to make lost objects again.
const LINEAGE_VARIABLE: &str = "TRYGON_MAX_LINEAGE_BYTES";
/// How often a task is tried again that was ended for want of memory; -1 for no limit.
const MEMORY_RETRIES_VARIABLE: &str = "TRYGON_TASK_OOM_RETRIES";
/// How long the first of these waits.
const MEMORY_WAIT_VARIABLE: &str = "TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS";

/// How long a task waits before its first retry; the second name is Ray's.
const DELAY_VARIABLES: [&str; 2] = ["TRYGON_TASK_RETRY_DELAY_MS", "RAY_task_retry_delay_ms"];

/// A core with the limits that the environment sets.
pub(crate) fn new_core(identity: Identity) -> Result<Core, RequestError> {
    let mut core = Core::new(identity);
    if let Some(limit) = number(LINEAGE_VARIABLE, "a whole number of bytes, 0 or more")? {
        core.set_lineage_limit(limit);
    }
    let usual = MemoryRetryRule::default();
    let first_wait_ms: Option<u64> = number(MEMORY_WAIT_VARIABLE, "a whole number of milliseconds, 0 or more")?;
    core.set_memory_retry_rule(MemoryRetryRule {
        max_retries: number(MEMORY_RETRIES_VARIABLE, "a whole number, -1 for no limit")?.unwrap_or(usual.max_retries),
        first_wait_ns: first_wait_ms.map_or(usual.first_wait_ns, |wait_ms| wait_ms.saturating_mul(1_000_000)),
    });
    for variable in DELAY_VARIABLES.iter().rev() {
        if let Some(first_ms) = number::<u64>(variable, "a whole number of milliseconds, 0 or more")? {
            let (first_ns, plain) = (first_ms.saturating_mul(1_000_000), RetryDelays::default());
            core.set_retry_delays(RetryDelays { first_ns, cap_ns: plain.cap_ns.max(first_ns) });
        }
    }
    Ok(core)
}

/// A number that may be set; an empty text counts as none.
fn number<N: FromStr>(variable: &str, what: &str) -> Result<Option<N>, RequestError> {
    let Some(text) = std::env::var_os(variable).filter(|text| !text.is_empty()) else { return Ok(None) };
    let found = text.to_str().and_then(|text| text.trim().parse().ok());
    let refusal = || RequestError::Refused(format!("{variable} must be {what}, got {}", text.display()));
    found.map(Some).ok_or_else(refusal)
}
