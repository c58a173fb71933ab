//! What the environment says.

use trygon_worker_core::MemoryRetryRule;

const RETRIES_VARIABLE: &str = "TRYGON_TASK_OOM_RETRIES";
const FIRST_WAIT_VARIABLE: &str = "TRYGON_TASK_OOM_RETRY_DELAY_BASE_MS";

/// How tasks are tried again that were ended for want of memory. What is no number counts as not set.
pub(crate) fn memory_retry_rule() -> MemoryRetryRule {
    let read = |name: &str| std::env::var(name).ok().and_then(|value| value.trim().parse::<i64>().ok());
    let usual = MemoryRetryRule::default();
    let first_wait_ms = read(FIRST_WAIT_VARIABLE).and_then(|wait_ms| u64::try_from(wait_ms).ok());
    MemoryRetryRule {
        max_retries: read(RETRIES_VARIABLE).unwrap_or(usual.max_retries),
        first_wait_ns: first_wait_ms.map_or(usual.first_wait_ns, |wait_ms| wait_ms.saturating_mul(1_000_000)),
    }
}
