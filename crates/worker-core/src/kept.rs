//! What is known of kept tasks and of lost objects: data only.

use crate::entry::Location;
use std::collections::{BTreeSet, VecDeque};
use trygon_ids::WorkerId;

/// Most bytes that kept tasks take, unless set otherwise.
const DEFAULT_LIMIT_BYTES: usize = 1 << 30;

/// Kept tasks and their bytes.
#[derive(Debug)]
pub(crate) struct KeptTasks {
    pub(crate) bytes: usize,
    pub(crate) count: usize,
    pub(crate) limit_bytes: usize,
    /// By age, oldest first: slot and generation. Some are not kept any more.
    pub(crate) order: VecDeque<(u32, u32)>,
    /// Entries that a task which is not kept any more had pinned, by slot and generation.
    pub(crate) to_unpin: Vec<(u32, u32)>,
    pub(crate) is_unpinning: bool,
}

impl Default for KeptTasks {
    fn default() -> Self {
        Self {
            bytes: 0,
            count: 0,
            limit_bytes: DEFAULT_LIMIT_BYTES,
            order: VecDeque::new(),
            to_unpin: Vec::new(),
            is_unpinning: false,
        }
    }
}

/// A lost own object of which a copy is looked for.
#[derive(Debug)]
pub(crate) struct Search {
    /// Who has not answered yet; this process itself stands for its node.
    pub(crate) asked: BTreeSet<WorkerId>,
    /// Copies on other nodes, to be fetched when this node has none.
    pub(crate) copies: Vec<Location>,
    /// Why it is lost.
    pub(crate) reason: Box<str>,
}
