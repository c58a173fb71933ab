//! What is written is read back the same, for any values and any cuts of the stream.

use proptest::prelude::*;
use trygon_wire::task::{Done, FLAG_ACTOR, FLAG_OPTIONAL, Push};
use trygon_wire::{FrameReader, Header, Kind};

fn pushes() -> impl Strategy<Value = Push> {
    (any::<[u32; 4]>(), any::<u64>(), any::<u32>(), any::<[u16; 2]>()).prop_map(
        |([slot, generation, attempt, function], sequence, lease, [num_returns, depth])| Push {
            slot,
            generation,
            attempt,
            function,
            sequence,
            lease,
            num_returns,
            depth,
        },
    )
}

fn dones() -> impl Strategy<Value = Done> {
    (any::<[u32; 4]>(), any::<[u8; 2]>(), any::<u16>()).prop_map(
        |([slot, generation, attempt, execution_ns], [status, flags], num_returns)| Done {
            slot,
            generation,
            attempt,
            execution_ns,
            status,
            flags,
            num_returns,
        },
    )
}

/// A kind, flags and a body; the body is opaque to the reader.
fn frames() -> impl Strategy<Value = Vec<(Kind, u8, Vec<u8>)>> {
    let frame = (prop::sample::select(Kind::ALL), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300));
    prop::collection::vec(frame, 0..12)
}

proptest! {
    #[test]
    fn a_task_is_read_as_it_was_written(push in pushes(), payload: Vec<u8>, optional: Option<Vec<u8>>, actor: bool) {
        let mut flags = if actor { FLAG_ACTOR } else { 0 };
        let mut body = Vec::new();
        if let Some(optional) = &optional {
            flags |= FLAG_OPTIONAL;
            body.extend_from_slice(&(optional.len() as u32).to_le_bytes());
            body.extend_from_slice(optional);
        }
        body.extend_from_slice(&payload);
        let mut frame = Vec::new();
        push.write(flags, &body, &mut frame);
        let header = Header::parse(&frame);
        prop_assert_eq!(header, Ok(Header { body_len: frame.len() - Header::LEN, kind: Kind::TaskPush, flags }));
        prop_assert_eq!(Push::parse(flags, &frame[Header::LEN..]), Ok((push, &payload[..])));
        for cut in Header::LEN..Header::LEN + Push::LEN {
            prop_assert!(Push::parse(flags, &frame[Header::LEN..cut]).is_err());
        }
    }

    #[test]
    fn a_reply_is_read_as_it_was_written(done in dones(), returns: Vec<u8>) {
        let mut frame = done.head(returns.len()).to_vec();
        frame.extend_from_slice(&returns);
        let header = Header::parse(&frame);
        prop_assert_eq!(header, Ok(Header { body_len: frame.len() - Header::LEN, kind: Kind::TaskDone, flags: 0 }));
        prop_assert_eq!(Done::parse(&frame[Header::LEN..]), Ok((done, &returns[..])));
        for cut in Header::LEN..Header::LEN + Done::LEN {
            prop_assert!(Done::parse(&frame[Header::LEN..cut]).is_err());
        }
    }

    #[test]
    fn frames_survive_random_cuts(frames in frames(), cuts in prop::collection::vec(1usize..400, 1..40)) {
        let mut stream = Vec::new();
        for (kind, flags, body) in &frames {
            stream.extend_from_slice(&Header { body_len: body.len(), kind: *kind, flags: *flags }.to_bytes());
            stream.extend_from_slice(body);
        }
        let mut reader = FrameReader::new();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            reader.push(head);
            while let Some((header, body)) = reader.next_frame().expect("valid frames") {
                seen.push((header.kind, header.flags, body.to_vec()));
            }
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, frames);
        prop_assert_eq!(reader.pending_bytes(), 0);
    }
}
