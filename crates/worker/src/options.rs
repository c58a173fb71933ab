//! What the environment of a process says of its engine.

use crate::requests::RequestError;
use trygon_worker_core::{Core, Identity};

/// Most bytes that tasks may take which are kept to make lost objects again.
const LINEAGE_VARIABLE: &str = "TRYGON_MAX_LINEAGE_BYTES";

/// A core with the limits that the environment sets.
pub(crate) fn new_core(identity: Identity) -> Result<Core, RequestError> {
    let mut core = Core::new(identity);
    if let Some(text) = std::env::var_os(LINEAGE_VARIABLE).filter(|text| !text.is_empty()) {
        let limit = text.to_str().and_then(|text| text.parse().ok());
        let refusal =
            || format!("{LINEAGE_VARIABLE} must be a whole number of bytes, 0 or more, got {}", text.display());
        core.set_lineage_limit(limit.ok_or_else(|| RequestError::Refused(refusal()))?);
    }
    Ok(core)
}
