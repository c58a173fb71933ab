//! Streams between nodes and the head: they open, carry what is said in order, and break with what is under way.

use crate::control::ends::{HeadEnd, OldStream};
use crate::control::ids::{node, number_of};
use crate::control::machine::Machine;
use crate::control::world::World;
use std::collections::VecDeque;
use trygon_control::{Taken, probe_link};
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{HeadToNode, NodeToHead};

impl World {
    /// A node opens a stream, if it has none. Whether it did.
    pub(super) fn connect(&mut self, number: u64) -> bool {
        let Some(machine) = self.machines.get_mut(&number).filter(|machine| machine.stream.is_none()) else {
            return false;
        };
        self.next.stream += 1;
        machine.stream = Some(self.next.stream);
        let register = machine.registration();
        machine.said.push_back(NodeToHead { body: Some(register), ..NodeToHead::default() });
        // The node's end is made when the head reads that.
        true
    }

    pub(super) fn disconnect(&mut self, number: u64) {
        if let Some(mut machine) = self.machines.remove(&number) {
            self.leave_stream(&mut machine, true);
            self.machines.insert(number, machine);
        }
    }

    /// Some of what the node said last is lost; the head reads the rest late, or at once.
    pub(super) fn leave_stream(&mut self, machine: &mut Machine, is_lossy: bool) {
        let Some((stream, mut said)) = machine.disconnect() else {
            return;
        };
        self.under_way.remove(&stream);
        self.trace(|| format!("node {} leaves stream {stream}", machine.number));
        if matches!(said.front(), Some(NodeToHead { body: Some(Body::Register(_)), .. })) {
            // The head never heard of the stream.
            return;
        }
        if is_lossy {
            said.truncate(self.random.below(said.len() as u64 + 1) as usize);
        }
        self.old.push(OldStream { stream, number: machine.number, said });
    }

    /// The head reads the next word of a node.
    pub(super) fn deliver_to_head(&mut self, number: u64) -> Result<bool, String> {
        let Some(machine) = self.machines.get_mut(&number) else {
            return Ok(false);
        };
        let (Some(stream), Some(message)) = (machine.stream, machine.said.pop_front()) else {
            return Ok(false);
        };
        if matches!(message.body, Some(Body::Register(_))) {
            self.open(number, stream, message)?;
        } else {
            self.read(number, stream, message)?;
        }
        Ok(true)
    }

    fn open(&mut self, number: u64, stream: u64, register: NodeToHead) -> Result<(), String> {
        let messages = if self.is_peace { 1 << 16 } else { self.room() };
        let (link, incoming) = probe_link(messages, 1 << 24, self.planted.link_skips);
        if let Some(machine) = self.machines.get_mut(&number) {
            machine.incoming = Some(incoming);
        }
        self.counts.streams += 1;
        self.trace(|| format!("node {number} opens stream {stream}"));
        self.links.insert(number, HeadEnd { stream, link });
        self.under_way.insert(stream, VecDeque::new());
        self.opened.insert(number, stream);
        let now_ms = self.now_ms();
        self.presence.opened(node(number), stream, now_ms);
        self.hear(number, register)
    }

    /// Some nodes are cut off soon when they do not read.
    fn room(&mut self) -> usize {
        if self.is_alone {
            // It is the head's own process.
            1 << 16
        } else if self.random.percent(25) {
            8 + self.random.below(40) as usize
        } else {
            100 + self.random.below(600) as usize
        }
    }

    /// STREAM-1: what comes by a stream is heard if it is the one that the node opened last.
    fn read(&mut self, number: u64, stream: u64, message: NodeToHead) -> Result<(), String> {
        if !self.presence.is_current(node(number), stream) {
            return Ok(());
        }
        if self.opened.get(&number) != Some(&stream) {
            return Err(format!("STREAM-1: what node {number} said on an older stream is heard"));
        }
        if let Some(Body::Leaves(_)) = message.body {
            self.presence.left(node(number));
            self.farewells.insert(node(number));
            self.machines.remove(&number);
        }
        self.hear(number, message)
    }

    /// Reads the next word of a stream that its node has left, or hears of its end.
    pub(super) fn deliver_old(&mut self, place: usize) -> Result<(), String> {
        let Some(old) = self.old.get_mut(place) else {
            return Ok(());
        };
        let (number, stream) = (old.number, old.stream);
        if let Some(message) = old.said.pop_front() {
            return self.read(number, stream, message);
        }
        self.old.remove(place);
        let now_ms = self.now_ms();
        if self.presence.closed(node(number), stream, now_ms, "its connection broke") {
            self.links.remove(&number);
        }
        Ok(())
    }

    pub(super) fn read_old(&mut self) -> Result<bool, String> {
        let is_any = !self.old.is_empty();
        while !self.old.is_empty() {
            self.deliver_old(0)?;
        }
        Ok(is_any)
    }

    /// The head tells a node something. One that does not read is cut off (STREAM-2).
    pub(super) fn tell(&mut self, number: u64, message: HeadToNode) {
        let Some(HeadEnd { stream, link }) = self.links.get(&number) else {
            return;
        };
        let stream = *stream;
        if link.send(message.clone()) {
            if let Some(under_way) = self.under_way.get_mut(&stream) {
                under_way.push_back(message);
            }
            return;
        }
        self.counts.cuts += 1;
        self.links.remove(&number);
        let now_ms = self.now_ms();
        self.presence.closed(node(number), stream, now_ms, "its stream was cut");
    }

    /// A node takes the next word of the head.
    pub(super) fn deliver_to_node(&mut self, number: u64) -> Result<bool, String> {
        let Some(machine) = self.machines.get_mut(&number) else {
            return Ok(false);
        };
        let (Some(stream), Some(incoming)) = (machine.stream, machine.incoming.as_mut()) else {
            return Ok(false);
        };
        let message = match incoming.take() {
            Taken::Message(message) => *message,
            Taken::Nothing => return Ok(false),
            Taken::End => {
                self.disconnect(number);
                return Ok(true);
            }
        };
        let told = self.under_way.get_mut(&stream).and_then(VecDeque::pop_front);
        if told.as_ref() != Some(&message) {
            return Err(format!("STREAM-2: node {number} was told {told:?} and hears {message:?}"));
        }
        if self.planted.is_traced {
            println!("{:>9.6} node {number} hears {:?}", self.now_us as f64 / 1e6, message.body);
        }
        let answered = message.body.map_or(Ok(None), |body| machine.hear(body))?;
        if let Some((to, reply)) = answered {
            self.watch.note_reply(to, &reply)?;
        }
        if self.machines.get(&number).is_some_and(|machine| machine.is_given_up) {
            self.replace(number);
        }
        Ok(true)
    }
}

/// The number of the node of a process.
pub(super) fn home(process: trygon_ids::WorkerId) -> u64 {
    number_of(process.as_bytes())
}
