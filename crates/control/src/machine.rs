//! What the control service runs: something that decides, of which the journal knows only this.

use trygon_ids::NodeId;

/// A deterministic state machine: the same events at the same times give the same state and the same messages.
pub trait Machine: Send {
    /// What nodes say.
    type Event: prost::Message + Default;
    /// What nodes are told.
    type Output: Send;

    /// What an event is, in a word, for whoever looks at the journal.
    fn label(event: &Self::Event) -> &'static str;

    /// Whether the event can change what `snapshot` gives. Others (questions, loads) are not kept: after a restart nobody misses them.
    fn is_kept(event: &Self::Event) -> bool;

    /// Takes an event in. `now_ms` never goes back.
    fn apply(&mut self, now_ms: u64, origin: NodeId, event: Self::Event, out: &mut Vec<(NodeId, Self::Output)>);

    /// The whole state, the same bytes for the same state.
    fn snapshot(&self) -> Vec<u8>;

    /// Takes a state in place of the present one.
    ///
    /// # Errors
    /// Says what cannot be read.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
}
