//! What is remembered of tasks that were ended for memory. The rules are in `memory_retries`.

use std::collections::BTreeMap;

/// How tasks are tried again whose worker was ended because the node was nearly full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRetryRule {
    /// How often; negative for ever.
    pub max_retries: i64,
    /// The first wait; it doubles.
    pub first_wait_ns: u64,
}

impl Default for MemoryRetryRule {
    fn default() -> Self {
        Self { max_retries: -1, first_wait_ns: 1_000_000_000 }
    }
}

/// How often tasks were ended.
#[derive(Debug, Default)]
pub(crate) struct MemoryRetries {
    pub(crate) rule: MemoryRetryRule,
    /// By slot: the generation, and how often it was ended.
    pub(crate) counts: BTreeMap<u32, (u32, u64)>,
}
