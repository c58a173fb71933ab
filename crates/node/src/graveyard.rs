//! Why processes died, remembered for those who ask late.

use std::collections::{BTreeMap, VecDeque};
use trygon_wire::control::Death;

/// Deaths that are remembered.
const MAX_DEATHS: usize = 4096;

/// The causes of recent deaths.
#[derive(Debug, Default)]
pub(crate) struct Graveyard {
    causes: BTreeMap<u64, Death>,
    order: VecDeque<u64>,
}

impl Graveyard {
    /// Remembers a death; the oldest gives way.
    pub(crate) fn bury(&mut self, number: u64, death: Death) {
        self.causes.insert(number, death);
        self.order.push_back(number);
        if self.order.len() > MAX_DEATHS
            && let Some(oldest) = self.order.pop_front()
        {
            self.causes.remove(&oldest);
        }
    }

    /// Why a process died, as far as it is remembered.
    pub(crate) fn cause(&self, number: u64) -> Death {
        self.causes.get(&number).cloned().unwrap_or_else(|| Death {
            kind: "unknown".to_owned(),
            message: "the process is gone, and why is not remembered any more".to_owned(),
            ..Death::default()
        })
    }
}
