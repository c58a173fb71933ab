//! What becomes of what nodes have said when there is no room to keep it: decided here, done by the engine.

use crate::journal::Journal;
use crate::machine::{Keep, Machine, Refusal};
use trygon_ids::NodeId;

/// Planted defects, for the simulator: each breaks one rule. All are off in a program that works.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FullDefects {
    /// FULL-1: what is to wait for room is dropped.
    pub waiting_dropped: bool,
    /// FULL-1: who is refused is not told.
    pub refusal_unsaid: bool,
    /// FULL-1: questions wait for room.
    pub questions_wait: bool,
}

/// FULL-1: questions are answered, who can be refused is refused, and the rest stays in the batch. The first `told` of it wait since before, and
/// their senders know. `text` says what is full.
#[doc(hidden)]
pub fn sort_out<M: Machine>(
    journal: &mut Journal<M>,
    now_us: u64,
    (batch, told): (&mut Vec<(NodeId, M::Event)>, usize),
    text: &str,
    out: &mut Vec<(NodeId, M::Output)>,
    defects: FullDefects,
) {
    let new = batch.split_off(told.min(batch.len()));
    for (node, event) in new {
        if M::keep(&event) == Keep::Never && !defects.questions_wait {
            journal.answer(now_us, node, event, out);
            continue;
        }
        match M::refuse(&event, text) {
            Refusal::Instead(_) if defects.refusal_unsaid => continue,
            Refusal::Instead(answer) => {
                out.push((node, answer));
                continue;
            }
            Refusal::Meanwhile(notice) => out.push((node, notice)),
            Refusal::Waits if defects.waiting_dropped => continue,
            Refusal::Waits => {}
        }
        batch.push((node, event));
    }
}
