//! Every frame that is sent has these bytes: an example of each, compared with a committed file.
//!
//! `UPDATE_SNAPSHOTS=1` writes the files anew. Bytes change only together with a line in the change log; fields may be added, numbers of
//! kinds and fields are never used again.

mod examples;
mod parsers;
mod snapshot_files;

use snapshot_files::{file_name, folder, from_text, to_text};
use std::collections::{BTreeMap, BTreeSet};
use trygon_wire::{FrameError, FrameReader, Header, Kind, VERSION};

/// The documentation of each kind, read where it is written: what is reserved there has no snapshot.
fn reserved_kinds() -> BTreeSet<Kind> {
    let mut reserved = BTreeSet::new();
    let mut documentation = "";
    for line in include_str!("../src/kind.rs").lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            documentation = text;
        } else if let Some((_, number)) = line.split_once(" = 0x")
            && documentation.starts_with("Reserved")
        {
            let number = u16::from_str_radix(number.trim_end_matches(','), 16).expect("a kind's number in hex");
            reserved.insert(Kind::from_number(number).expect("a kind"));
        }
    }
    reserved
}

#[test]
fn every_frame_has_the_bytes_of_its_snapshot() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    if update {
        std::fs::create_dir_all(folder()).expect("the folder of snapshots");
    }
    let mut different = Vec::new();
    for (kind, frame) in examples::all() {
        let path = folder().join(file_name(kind));
        if update {
            std::fs::write(&path, to_text(&frame)).expect("a snapshot is written");
        } else if std::fs::read_to_string(&path).ok() != Some(to_text(&frame)) {
            different.push(kind);
        }
    }
    assert!(
        different.is_empty(),
        "no longer the bytes of their snapshots (UPDATE_SNAPSHOTS=1 rewrites): {different:?}"
    );
}

#[test]
fn every_kind_has_one_example() {
    let reserved = reserved_kinds();
    let with_example: Vec<Kind> = examples::all().into_iter().map(|(kind, _)| kind).collect();
    let unique: BTreeSet<Kind> = with_example.iter().copied().collect();
    assert_eq!(unique.len(), with_example.len(), "a kind has two examples");
    let sent: BTreeSet<Kind> = Kind::ALL.iter().copied().filter(|kind| !reserved.contains(kind)).collect();
    assert_eq!(unique, sent);
}

/// The numbers of each message's fields, read from where they are written.
fn declared_fields() -> BTreeMap<&'static str, BTreeSet<u64>> {
    let sources = [
        include_str!("../src/peer.rs"),
        include_str!("../src/control/processes.rs"),
        include_str!("../src/control/actors.rs"),
        include_str!("../src/control/environments.rs"),
        include_str!("../src/control/explain.rs"),
        include_str!("../src/control/objects.rs"),
        include_str!("../src/control/placement_groups.rs"),
        include_str!("../src/control/sessions.rs"),
    ];
    let mut declared = BTreeMap::<_, BTreeSet<u64>>::new();
    let mut message = "";
    for line in sources.iter().flat_map(|source| source.lines()).map(str::trim) {
        if let Some(name) = line.strip_suffix(" {").or(line.strip_suffix(" {}")) {
            message = name;
            declared.entry(message).or_default();
        } else if let Some((_, rest)) = line.split_once("tag = \"") {
            let number = rest.split('"').next().and_then(|number| number.parse().ok()).expect("a field's number");
            assert!(declared.entry(message).or_default().insert(number), "{message} has two fields {number}");
        }
    }
    declared
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.split_off_first().expect("a whole number");
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The numbers of the fields in a protobuf body.
fn filled_fields(mut body: &[u8]) -> BTreeSet<u64> {
    let mut fields = BTreeSet::new();
    while !body.is_empty() {
        let key = varint(&mut body);
        let skipped = match key & 7 {
            0 => {
                varint(&mut body);
                0
            }
            1 => 8,
            2 => varint(&mut body) as usize,
            5 => 4,
            form => panic!("unknown form {form}"),
        };
        body = &body[skipped..];
        fields.insert(key >> 3);
    }
    fields
}

#[test]
fn every_example_fills_every_field() {
    let declared = declared_fields();
    for (kind, frame) in examples::all() {
        if !matches!(kind, Kind::TaskPush | Kind::TaskDone | Kind::StreamItem | Kind::StreamCredit) {
            let name = format!("{kind:?}");
            assert_eq!(Some(&filled_fields(&frame[Header::LEN..])), declared.get(name.as_str()), "{name}");
        }
    }
}

#[test]
fn every_snapshot_reads_back_as_itself() {
    for (kind, frame) in examples::all() {
        let bytes = from_text(&to_text(&frame)).expect("a version and hex");
        let header = Header::parse(&bytes).expect("a header");
        assert_eq!((header.kind, header.body_len), (kind, bytes.len() - Header::LEN));
        let body = &bytes[Header::LEN..];
        assert_eq!(parsers::parse_body(header, body), Ok(()));
        if let Some(rewritten) = parsers::rewrite(kind, body) {
            assert_eq!(rewritten.as_deref(), Ok(&frame[Header::LEN..]));
        }
    }
}

#[test]
fn unknown_fields_are_skipped() {
    // Field 1000 in each form a field can have: a number, eight bytes, counted bytes, four bytes.
    let unknown: [&[u8]; 4] = [
        &[0xc0, 0x3e, 0x96, 0x01],
        &[0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xc2, 0x3e, 3, b'n', b'e', b'w'],
        &[0xc5, 0x3e, 1, 2, 3, 4],
    ];
    for (kind, frame) in examples::all() {
        let body = &frame[Header::LEN..];
        for field in unknown {
            for longer in [[field, body].concat(), [body, field].concat()] {
                if let Some(rewritten) = parsers::rewrite(kind, &longer) {
                    assert_eq!(rewritten.as_deref(), Ok(body), "{kind:?}");
                }
            }
        }
    }
}

#[test]
fn unknown_kinds_are_named_in_the_error() {
    let mut unknown = 0;
    for number in 0..=u16::MAX {
        let [low, high] = number.to_le_bytes();
        let bytes = [0, 0, 0, 0, low, high, VERSION, 0];
        match Kind::from_number(number) {
            Some(kind) => assert_eq!(Header::parse(&bytes), Ok(Header { body_len: 0, kind, flags: 0 })),
            None => {
                let mut reader = FrameReader::new();
                reader.push(&bytes);
                assert_eq!(reader.next_frame().err(), Some(FrameError::UnknownKind(number)));
                unknown += 1;
            }
        }
    }
    assert_eq!(unknown + Kind::ALL.len(), 1 << 16);
}
