//! What the environment says to the runtime of a process.

use trygon_worker_core::RetryDelays;

/// As `TRYGON_TASK_RETRY_DELAY_MS` says, or Ray's name for it.
pub(crate) fn retry_delays() -> RetryDelays {
    let variables = ["TRYGON_TASK_RETRY_DELAY_MS", "RAY_task_retry_delay_ms"];
    let said = variables.iter().find_map(|name| std::env::var(name).ok());
    let first_ns = said.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0).saturating_mul(1_000_000);
    let plain = RetryDelays::default();
    RetryDelays { first_ns, cap_ns: plain.cap_ns.max(first_ns) }
}
