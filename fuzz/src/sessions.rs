//! The numbers with which nodes begin streams to each other. Input: steps of a byte for the form and node, and numbers.

use crate::input::Input;
use crate::session_table::{Begin, Sessions};
use crate::universe::node;
use std::collections::BTreeMap;

/// CARRY-1: what is counted is what was received on the present connection, and a gap is never taken for the same session.
pub(crate) fn sessions(data: &[u8]) {
    let mut input = Input::new(data);
    let mut table = Sessions::default();
    let mut open: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    while !input.is_empty() {
        let step = input.byte();
        let number = step & 3;
        let id = node(number);
        let known = open.get(&number).copied();
        match step >> 2 & 7 {
            0 | 1 => {
                let (session, acknowledged) = (input.number(), input.number());
                match table.begin(id, session, acknowledged) {
                    Begin::Fresh { connection, .. } => {
                        assert_eq!(acknowledged, 0);
                        open.insert(number, (connection, 0));
                    }
                    Begin::Resumed { connection, received } => {
                        assert!(acknowledged <= received);
                        open.insert(number, (connection, received));
                    }
                    Begin::Unknown => {}
                }
            }
            2 | 3 => {
                let connection = input.number();
                let received = table.receive(&id, connection);
                if let Some((present, count)) = known.filter(|_| received.is_some()) {
                    assert_eq!((connection, received), (present, Some(count + 1)));
                    open.insert(number, (present, count + 1));
                }
            }
            4 => table.finish(&id, input.number()),
            5 => _ = table.interrupt(&id, input.number()),
            6 => _ = table.lapse(&id, input.number()),
            _ => table.keep(|known| *known == id),
        }
    }
}
