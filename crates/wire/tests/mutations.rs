//! Seeded mutations of the snapshots through every parser of this crate: nothing panics, and what is accepted can be written again.
//!
//! The same seeds give the same bytes on every machine. The search that is guided by coverage is `make fuzz`.

mod parsers;
#[allow(dead_code, reason = "what writes them is for the snapshot test")]
mod snapshot_files;

use snapshot_files::{folder, from_text};
use trygon_wire::{FrameReader, Header, Kind, recorder};

const MUTATIONS: u64 = 200_000;

/// splitmix64: small, and its sequence never changes with a dependency.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn snapshots() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder()).expect("snapshots").map(|entry| entry.expect("an entry").path()).collect();
    // The order of a folder differs between machines.
    paths.sort();
    paths
        .into_iter()
        .map(|path| from_text(&std::fs::read_to_string(path).expect("text")).expect("a version and hex"))
        .collect()
}

/// Numbers at which lengths and counts tip over.
const EDGES: [u32; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.next() as u8),
            4 if bytes.len() >= at + 4 => {
                bytes[at..at + 4].copy_from_slice(&EDGES[random.below(EDGES.len())].to_le_bytes());
            }
            5 => {
                let end = at + random.below(bytes.len() - at);
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            6 => {
                let other = &others[random.below(others.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
            _ => {}
        }
    }
}

/// Number of bodies that were read and that were refused.
#[derive(Default)]
struct Seen {
    read: u64,
    refused: u64,
}

impl Seen {
    fn body(&mut self, header: Header, body: &[u8]) {
        match parsers::parse_body(header, body) {
            Ok(()) => self.read += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn stream(&mut self, random: &mut Random, bytes: &[u8]) {
        let mut reader = FrameReader::new();
        let chunk = 1 + random.below(bytes.len() + 8);
        for part in bytes.chunks(chunk) {
            reader.push(part);
            loop {
                match reader.next_frame() {
                    Ok(Some((header, body))) => self.body(header, body),
                    Ok(None) => break,
                    // The connection ends here.
                    Err(_) => return,
                }
            }
        }
    }
}

#[test]
fn mutated_frames_never_panic() {
    let snapshots = snapshots();
    let mut random = Random(1);
    let mut seen = Seen::default();
    for _ in 0..MUTATIONS {
        let original = &snapshots[random.below(snapshots.len())];
        if random.below(4) == 0 {
            let mut bytes = original.clone();
            mutate(&mut random, &mut bytes, &snapshots);
            seen.stream(&mut random, &bytes);
        } else {
            // Past the header, with the kind kept: most mutations of a whole frame end at its length.
            let header = Header::parse(original).expect("a header");
            let mut body = original[Header::LEN..].to_vec();
            mutate(&mut random, &mut body, &snapshots);
            let kind = if random.below(16) == 0 { Kind::ALL[random.below(Kind::ALL.len())] } else { header.kind };
            seen.body(Header { kind, flags: header.flags ^ random.below(2) as u8, ..header }, &body);
        }
    }
    // Both ways are taken often, or the mutations would prove little.
    assert!(seen.read > MUTATIONS / 10 && seen.refused > MUTATIONS / 10, "{} {}", seen.read, seen.refused);
}

#[test]
fn mutated_recorders_never_panic() {
    let mut random = Random(2);
    let snapshots = snapshots();
    for _ in 0..MUTATIONS / 10 {
        let mut bytes = vec![0; recorder::LOG_OFFSET];
        bytes[recorder::STARTED_OFFSET] = 1;
        for _ in 0..random.below(3) {
            let frame = &snapshots[random.below(snapshots.len())];
            bytes.extend_from_slice(&random.next().to_le_bytes());
            bytes.extend_from_slice(&(frame.len() as u64).to_le_bytes());
            bytes.extend_from_slice(frame);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let used = (bytes.len() - recorder::LOG_OFFSET) as u64;
        bytes[recorder::STAGED_LEN_OFFSET..recorder::STAGED_LEN_OFFSET + 8].copy_from_slice(&used.to_le_bytes());
        mutate(&mut random, &mut bytes, &snapshots);
        let _ = recorder::started(&bytes);
        assert!(recorder::running_name(&bytes).len() <= 3 * recorder::MAX_NAME_BYTES);
        let staged: usize = recorder::staged(&bytes).iter().map(|(_, frame)| frame.len()).sum();
        assert!(staged <= bytes.len());
    }
}
