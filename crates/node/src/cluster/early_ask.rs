//! Questions that came before what they are about.

use trygon_ids::NodeId;
use trygon_proto::v1::AskLeases;

/// Leases that were asked for a job that is not known here yet.
#[derive(Debug)]
pub(crate) struct EarlyAsk {
    pub(crate) node: NodeId,
    pub(crate) ask: AskLeases,
    pub(crate) until_ms: u64,
}
