//! Random programs of three processes that are connected directly: whatever they put, nest, lend, return and drop, nothing is left.

use crate::tests::env::{core, small, worker};
use crate::{Core, Effect, Outbox, PeerIndex, Reference, Task, Value};
use proptest::prelude::*;
use std::collections::VecDeque;

struct Nothing;

impl Outbox for Nothing {
    fn push(&mut self, _: PeerIndex, _: &Task<'_>) {}
}

#[derive(Debug, Clone)]
enum Step {
    Put { process: usize },
    Nest { process: usize, pick: usize },
    Copy { process: usize, pick: usize },
    Lend { process: usize, pick: usize, to: usize },
    Fetch { process: usize, pick: usize },
    Drop { process: usize, pick: usize },
    Deliver { link: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (process, pick) = (0..3usize, 0..64usize);
    prop_oneof![
        process.clone().prop_map(|process| Step::Put { process }),
        (process.clone(), pick.clone()).prop_map(|(process, pick)| Step::Nest { process, pick }),
        (process.clone(), pick.clone()).prop_map(|(process, pick)| Step::Copy { process, pick }),
        (process.clone(), pick.clone(), 0..3usize).prop_map(|(process, pick, to)| Step::Lend { process, pick, to }),
        (process.clone(), pick.clone()).prop_map(|(process, pick)| Step::Fetch { process, pick }),
        (process, pick).prop_map(|(process, pick)| Step::Drop { process, pick }),
        (0..9usize).prop_map(|link| Step::Deliver { link }),
    ]
}

enum Message {
    Borrow {
        reference: Reference,
        borrower: usize,
        delta: i64,
    },
    Query(Reference),
    Answer(Reference, Value, Vec<Reference>),
    /// A value with a reference in it, as a result would bring it.
    Result(Reference),
}

struct Three {
    cores: Vec<Core>,
    held: Vec<Vec<Reference>>,
    links: Vec<VecDeque<Message>>,
}

impl Three {
    fn send(&mut self, from: usize, to: usize, message: Message) {
        self.links[from * 3 + to].push_back(message);
    }

    fn perform(&mut self, process: usize) {
        let mut effects = Vec::new();
        while self.cores[process].has_effects() {
            self.cores[process].take_effects(&mut effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::ReportBorrow { reference, borrower, delta } => {
                        let borrower = usize::from(borrower.as_bytes()[0]);
                        self.send(process, number(&reference), Message::Borrow { reference, borrower, delta });
                    }
                    Effect::Query { reference } => self.send(process, number(&reference), Message::Query(reference)),
                    Effect::Answer { peer, object } => {
                        let reference = Reference { object, owner: worker(process as u8) };
                        let value = self.cores[process].value_of(&reference).cloned().expect("a borrower holds it");
                        let contained = self.cores[process].contained_in(&reference).to_vec();
                        for inner in &contained {
                            self.cores[process].lend(inner, worker(peer.0 as u8));
                        }
                        self.send(process, peer.0 as usize, Message::Answer(reference, value, contained));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        self.cores[process].sanity_check().expect("sane");
    }

    fn deliver(&mut self, link: usize) {
        let (from, to) = (link / 3, link % 3);
        let Some(message) = self.links[link].pop_front() else { return };
        match message {
            Message::Borrow { reference, borrower, delta } => {
                self.cores[to].on_borrow_report(&reference.object, worker(borrower as u8), delta);
            }
            Message::Query(reference) => self.cores[to].on_query(PeerIndex(from as u32), reference.object),
            Message::Answer(reference, value, contained) => {
                self.cores[to].on_object_reply(&reference.object, value, contained, &mut Nothing);
            }
            Message::Result(reference) => {
                self.cores[to].receive_lent(&reference);
                assert!(self.cores[to].retain(&reference), "it was lent");
                self.held[to].push(reference);
            }
        }
        self.perform(to);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put { process } => self.put(process, &[]),
            Step::Nest { process, pick } => {
                if let Some(inner) = self.pick(process, pick) {
                    self.put(process, &[inner]);
                }
            }
            Step::Copy { process, pick } => {
                if let Some(reference) = self.pick(process, pick) {
                    assert!(self.cores[process].retain(&reference));
                    self.held[process].push(reference);
                }
            }
            Step::Lend { process, pick, to } => {
                // Who owns an object needs no lend, but its other references would have to keep it: only a third party or a borrower gets one.
                if let Some(reference) =
                    self.pick(process, pick).filter(|reference| to != process && number(reference) != to)
                {
                    self.cores[process].lend(&reference, worker(to as u8));
                    self.perform(process);
                    self.send(process, to, Message::Result(reference));
                }
            }
            Step::Fetch { process, pick } => {
                if let Some(reference) = self.pick(process, pick) {
                    self.cores[process].watch(&reference);
                }
            }
            Step::Drop { process, pick } => {
                if !self.held[process].is_empty() {
                    let place = pick % self.held[process].len();
                    let reference = self.held[process].swap_remove(place);
                    self.cores[process].release(&reference);
                }
            }
            Step::Deliver { link } => return self.deliver(link),
        }
        if let Step::Put { process }
        | Step::Nest { process, .. }
        | Step::Copy { process, .. }
        | Step::Fetch { process, .. }
        | Step::Drop { process, .. } = *step
        {
            self.perform(process);
        }
    }

    fn pick(&self, process: usize, pick: usize) -> Option<Reference> {
        let held = &self.held[process];
        if held.is_empty() { None } else { Some(held[pick % held.len()]) }
    }

    fn put(&mut self, process: usize, contained: &[Reference]) {
        let (slot, generation) = self.cores[process].put(small(&[7; 40]), contained);
        let object = self.cores[process].object_id(slot, generation, 0);
        self.held[process].push(Reference { object, owner: worker(process as u8) });
    }

    fn end(&mut self) {
        for process in 0..3 {
            for reference in std::mem::take(&mut self.held[process]) {
                self.cores[process].release(&reference);
            }
            self.perform(process);
        }
        while let Some(link) = (0..9).find(|link| !self.links[*link].is_empty()) {
            self.deliver(link);
            for process in 0..3 {
                for reference in std::mem::take(&mut self.held[process]) {
                    self.cores[process].release(&reference);
                }
                self.perform(process);
            }
        }
    }
}

fn number(reference: &Reference) -> usize {
    usize::from(reference.owner.as_bytes()[0])
}

proptest! {
    /// OWN-2, OWN-3 and OWN-4: zero live objects at the end, whatever the program and the order of delivery.
    #[test]
    fn nothing_is_left(steps in proptest::collection::vec(step(), 0..120)) {
        let mut three = Three {
            cores: (0..3).map(core).collect(),
            held: vec![Vec::new(); 3],
            links: (0..9).map(|_| VecDeque::new()).collect(),
        };
        for step in &steps {
            three.step(step);
        }
        three.end();
        for core in &three.cores {
            let left = core.statistics();
            prop_assert_eq!((left.owned, left.borrowed, left.inline_bytes), (0, 0, 0), "{}", core.describe());
        }
    }
}
