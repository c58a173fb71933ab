//! What the control service runs: something that decides, of which journal and streams know only this.

use crate::storage::{Digest, Large};
use trygon_ids::NodeId;

/// How an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Not at all: it changes nothing that `snapshot` gives.
    Never,
    /// With the next write, at the latest before anything but a hint comes of it: it changes what later events lead to, but says
    /// nothing that its sender would not say again.
    Soon,
    /// Before it is taken in.
    Now,
}

/// What becomes of an event that cannot be kept for want of room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal<O> {
    /// It is dropped, and its sender told this.
    Instead(O),
    /// It waits for room, and its sender is told this meanwhile.
    Meanwhile(O),
    /// It waits for room.
    Waits,
}

/// A whole state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State<'a> {
    /// Everything but the large values, which stand here by their digests.
    pub bytes: Vec<u8>,
    /// The large values.
    pub large: Vec<Large<'a>>,
}

/// A deterministic state machine: the same events at the same times give the same state and the same messages.
pub trait Machine: Send {
    /// What nodes say.
    type Event: prost::Message + Default;
    /// What nodes are told.
    type Output: prost::Message;

    /// What an event is, in a word, for whoever looks at the journal.
    fn label(event: &Self::Event) -> &'static str;

    /// How an event is kept.
    fn keep(event: &Self::Event) -> Keep;

    /// Whether nothing rests on the message: another like it follows, and a node without it only decides worse.
    fn is_hint(output: &Self::Output) -> bool;

    /// Takes the large value out of an event, if it has one: it is kept beside the event.
    fn take_large(event: &mut Self::Event) -> Option<Vec<u8>>;

    /// Puts it back.
    fn give_large(event: &mut Self::Event, value: Vec<u8>);

    /// Takes an event in. `now_us` never goes back.
    fn apply(&mut self, now_us: u64, origin: NodeId, event: Self::Event, out: &mut Vec<(NodeId, Self::Output)>);

    /// The whole state, the same bytes for the same state.
    ///
    /// # Errors
    /// Says what cannot be written.
    fn snapshot(&self) -> Result<State<'_>, String>;

    /// Takes a state in place of the present one, with its large values.
    ///
    /// # Errors
    /// Says what cannot be read.
    fn restore(&mut self, state: &[u8], large: Vec<(Digest, Vec<u8>)>) -> Result<(), String>;

    /// The number of an event that its sender repeats until it hears that it is kept; 0 for others.
    fn number(event: &Self::Event) -> u64;

    /// What tells a sender that everything up to a number is kept.
    fn heard(number: u64) -> Self::Output;

    /// What its sender is told of an event that cannot be kept for want of room.
    fn refuse(event: &Self::Event, message: &str) -> Refusal<Self::Output>;

    /// When it wants to be ticked.
    fn next_deadline_us(&self) -> Option<u64>;

    /// The event that says that time has passed; its origin is nil.
    fn tick() -> Self::Event;

    /// The nodes that it counts on.
    fn members(&self) -> Vec<NodeId>;

    /// NODE-3: the address of the head that a node registered with last, and for how many milliseconds it holds on when nobody listens there.
    fn hold_of(&self, _node: NodeId) -> (&str, u64) {
        ("", 0)
    }

    /// Writes the head's address into a registration.
    fn stamp(_register: &mut Self::Event, _address: &str) {}

    /// The nodes that were given up, as far as they are remembered.
    fn former(&self) -> Vec<NodeId> {
        Vec::new()
    }

    /// The nodes that it counts on and that are to get no lease any more.
    fn leaseless(&self) -> Vec<NodeId> {
        Vec::new()
    }

    /// The event that tells that a node is gone, and why.
    fn gone(message: String) -> Self::Event;

    /// Whether the event is a node's farewell, behind which nothing more of it is waited for.
    fn is_farewell(event: &Self::Event) -> bool;
}
