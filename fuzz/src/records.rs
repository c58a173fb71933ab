//! Records of the head's journal, as a file or Redis gives them back. Input: one byte for the last event of the snapshot, then entries: a
//! byte for the index and the form, and a part.

use crate::input::Input;
use trygon_control::fuzz::{assemble, packet, redis_record};
use trygon_control::storage::Record;

/// What is accepted is what was written: in order, without a gap.
pub(crate) fn records(data: &[u8]) {
    let mut input = Input::new(data);
    let through = input.number();
    let mut entries = Vec::new();
    while !input.is_empty() {
        let form = input.byte();
        let index = through.wrapping_add(u64::from(form >> 4));
        let record = match form & 3 {
            0 => decode(input.part()),
            1 => sound(index, input.part()),
            2 => from_redis(index, &mut input),
            _ => {
                let _ = packet(input.part());
                None
            }
        };
        entries.push((index, record));
    }
    entries.sort_by_key(|(index, _)| *index);
    entries.dedup_by_key(|(index, _)| *index);
    let sound = entries.iter().filter(|(index, record)| record.as_ref().is_some_and(|record| record.index == *index));
    let most = sound.count();
    if let Some((records, _)) = assemble(through, entries) {
        assert!(records.len() <= most, "records out of nothing");
        for (expected, record) in (1..).zip(&records) {
            assert_eq!(record.index - through, expected);
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Record> {
    let record = Record::decode(bytes)?;
    assert_eq!(record.encode(), bytes);
    Some(record)
}

/// One with a right checksum, which random bytes never have.
fn sound(index: u64, body: &[u8]) -> Option<Record> {
    let (label, body) = body.split_at(body.len() / 2);
    let label = String::from_utf8_lossy(label).into_owned();
    let record = Record { index, at_us: 1, origin: trygon_ids::NodeId::nil(), label, body: body.to_vec(), large: None };
    decode(&record.encode())
}

fn from_redis(index: u64, input: &mut Input<'_>) -> Option<Record> {
    let id =
        if input.byte() & 1 == 0 { format!("{index}-0") } else { String::from_utf8_lossy(input.part()).into_owned() };
    let names: [&[u8]; 5] = [b"at_us", b"node", b"event", b"body", b"checksum"];
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for _ in 0..input.byte() & 7 {
        let which = usize::from(input.byte());
        fields.push(names.get(which).map_or_else(|| input.part().to_vec(), |name| name.to_vec()));
        fields.push(input.part().to_vec());
    }
    redis_record(&id, &fields)
}
