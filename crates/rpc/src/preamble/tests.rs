//! The preamble's bytes do not change unseen, are read as they were written, and nothing else is read.

use super::*;
use proptest::prelude::*;

fn preambles() -> impl Strategy<Value = Preamble> {
    (1u16..=5, any::<[u8; 28]>(), any::<[u8; 28]>(), any::<u64>(), any::<[u8; 4]>()).prop_map(
        |(purpose, target, source, connection, job)| {
            let purpose = Purpose::from_number(purpose).expect("1 to 5");
            Preamble::new(purpose, target, source, connection, JobId::new(job))
        },
    )
}

proptest! {
    #[test]
    fn a_preamble_is_read_as_it_was_written(preamble in preambles()) {
        prop_assert_eq!(Preamble::parse(&preamble.to_bytes()), Ok(preamble));
    }

    #[test]
    fn changed_bytes_are_refused_or_read_as_they_stand(preamble in preambles(), at in 0..Preamble::LEN, to: u8) {
        let mut bytes = preamble.to_bytes();
        bytes[at] = to;
        match Preamble::parse(&bytes) {
            Ok(read) => prop_assert_eq!(read.to_bytes(), bytes),
            Err(_) => prop_assert!(at < 12, "only magic, version and purpose are refused"),
        }
    }

    #[test]
    fn any_bytes_are_refused_unless_they_begin_with_the_magic(start: [u8; 32], rest: [u8; 48]) {
        let mut bytes = [0; Preamble::LEN];
        bytes[..32].copy_from_slice(&start);
        bytes[32..].copy_from_slice(&rest);
        prop_assert_eq!(Preamble::parse(&bytes), Err(PreambleError::Magic));
        bytes[..8].copy_from_slice(&MAGIC);
        if let Ok(read) = Preamble::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_snapshot() {
    let mut target = [0x11; 28];
    target[0] = 0xaa;
    let preamble =
        Preamble::new(Purpose::Peer, target, [0x22; 28], 0x0102_0304_0506_0708, JobId::new([0xde, 0xad, 0xbe, 0xef]));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/preamble.hex");
    let mut text = format!("preamble version {}\n", Preamble::VERSION);
    for line in preamble.to_bytes().chunks(32) {
        text.push_str(&crate::names::hex(line));
        text.push('\n');
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).expect("the snapshot's folder");
    }
    let expected = std::fs::read_to_string(path).expect("the snapshot; UPDATE_SNAPSHOTS=1 writes it");
    assert_eq!(text, expected, "the bytes changed: give them a new version, then UPDATE_SNAPSHOTS=1");
}

#[test]
fn another_version_is_refused_save_for_joining() {
    let mut preamble = Preamble::new(Purpose::Node, [1; 28], [2; 28], 3, JobId::new([0; 4]));
    preamble.version = 9;
    assert_eq!(Preamble::parse(&preamble.to_bytes()), Err(PreambleError::Version(9)));
    preamble.purpose = Purpose::Join;
    assert_eq!(Preamble::parse(&preamble.to_bytes()), Ok(preamble));
}

#[test]
fn the_magic_is_known_by_any_beginning() {
    assert!(may_begin(b"") && may_begin(b"T") && may_begin(b"TRYGON\0\x01anything"));
    assert!(!may_begin(b"G") && !may_begin(b"TRYGON\0\x02") && !may_begin(b"\x16\x03\x01"));
}
