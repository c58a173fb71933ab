//! Calls that were sent to an actor, in the order in which they left. They may end in any order, each at constant cost.

use std::collections::VecDeque;

/// The place of a call that has ended.
const ENDED: u32 = u32::MAX;

/// The calls, by the slot of their entries.
#[derive(Debug, Default)]
pub(crate) struct CallsInFlight {
    slots: VecDeque<u32>,
    /// Ticket of the first place.
    first: u32,
    live: usize,
}

impl CallsInFlight {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Adds a call; the ticket finds it again. Tickets wrap: far fewer calls than there are tickets can be in flight.
    pub(crate) fn push(&mut self, slot: u32) -> u32 {
        let ticket = self.first.wrapping_add(self.slots.len() as u32);
        self.slots.push_back(slot);
        self.live += 1;
        ticket
    }

    /// Takes a call out. Nothing happens when the ticket is not that call's any more.
    pub(crate) fn remove(&mut self, ticket: u32, slot: u32) {
        let place = self.slots.get_mut(ticket.wrapping_sub(self.first) as usize);
        let Some(place) = place.filter(|place| **place == slot) else { return };
        *place = ENDED;
        self.live -= 1;
        while self.slots.front() == Some(&ENDED) {
            self.slots.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().copied().filter(|slot| *slot != ENDED)
    }

    /// Takes all of them out, in order.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let slots: Vec<u32> = self.slots.drain(..).filter(|slot| *slot != ENDED).collect();
        self.live = 0;
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_end_in_any_order() {
        let mut calls = CallsInFlight { first: u32::MAX - 1, ..CallsInFlight::default() };
        let tickets: Vec<u32> = (10..15).map(|slot| calls.push(slot)).collect();
        calls.remove(tickets[2], 12);
        calls.remove(tickets[2], 12);
        calls.remove(tickets[0], 99);
        assert_eq!(calls.len(), 4);
        calls.remove(tickets[0], 10);
        calls.remove(tickets[4], 14);
        assert_eq!(calls.len(), 2);
        let ticket = calls.push(20);
        assert_eq!(calls.take(), [11, 13, 20]);
        assert!(calls.is_empty());
        calls.remove(ticket, 20);
        assert!(calls.is_empty());
    }
}
