//! Writes `fuzz/seeds` anew, mostly from the snapshots of the wire crate: `fuzz/run seeds`.

// The counters of the crates are linked against it.
use libfuzzer_sys as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use trygon_control::storage::Record;
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_rpc::{Authority, ClusterKey, NodeKey, PeerName, Preamble, Purpose, join_fuzz};
use trygon_wire::{Header, Kind, recorder};
use trygon_worker_core::{SystemError, user_error};

mod seeds_of_cluster;
#[path = "../../crates/wire/tests/snapshot_files/mod.rs"]
#[allow(dead_code)]
mod snapshot_files;

use seeds_of_cluster::part;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = root().join("seeds").join(target);
    std::fs::create_dir_all(&folder).expect("a folder for seeds");
    std::fs::write(folder.join(name), bytes).expect("a seed is written");
}

fn snapshot(path: &Path) -> (String, Vec<u8>) {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a snapshot");
    (name, snapshot_files::from_text(&text).expect("a version and hex"))
}

fn recorder_with(frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; recorder::LOG_OFFSET];
    bytes[recorder::STARTED_OFFSET] = 7;
    bytes[recorder::NAME_OFFSET] = 10;
    bytes[recorder::NAME_OFFSET + 4..recorder::NAME_OFFSET + 14].copy_from_slice(b"word_count");
    for frame in frames {
        bytes.extend_from_slice(&7u64.to_le_bytes());
        bytes.extend_from_slice(&(frame.len() as u64).to_le_bytes());
        bytes.extend_from_slice(frame);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    let used = (bytes.len() - recorder::LOG_OFFSET) as u64;
    bytes[recorder::STAGED_LEN_OFFSET..recorder::STAGED_LEN_OFFSET + 8].copy_from_slice(&used.to_le_bytes());
    bytes
}

fn write_handshakes() {
    let preamble = Preamble::between_nodes(Purpose::Node, NodeId::new([1; 28]), NodeId::new([2; 28]), 7);
    write("preamble", "node", &preamble.to_bytes());
    let join = Preamble { version: 9, purpose: Purpose::Join, ..preamble };
    write("preamble", "join", &join.to_bytes());
    let point = NodeKey::generate().expect("a key").public_key().to_vec();
    write("join", "request", &[&[0], &join_fuzz::make_request(vec![5; 28], point)[..]].concat());
    write("join", "request_short", &[&[0], &join_fuzz::make_request(vec![5; 2], vec![4; 65])[..]].concat());
    write("join", "reply", &[&[1], &join_fuzz::make_reply()[..]].concat());
    let key = ClusterKey::generate([0x5a; 32]).expect("a key");
    write("names", "key", &[&[0], key.to_text().as_bytes()].concat());
    let worker = PeerName::Worker(WorkerId::new([3; 28]), JobId::new([1, 0, 0, 0]));
    for (name, peer) in [("node", PeerName::Node(NodeId::new([1; 28]))), ("worker", worker)] {
        write("names", name, &[&[1], peer.dns().as_bytes()].concat());
    }
    write("names", "ports", b"\x0210002-19999");
    let group = "CPU_group_1_010203040506070809101112131415161718\nnode:aa\nlabels:zone=a,!b\nCPU";
    write("names", "demand", &[&[3], group.as_bytes()].concat());
    write("names", "stat", b"\x0412 (a ) b) S 1 12 12 0 -1");
    let authority = Authority::create(SystemTime::now()).expect("an authority");
    let node = authority.issue_for(
        NodeId::new([1; 28]),
        NodeKey::generate().expect("a key").public_key(),
        SystemTime::now(),
        Duration::from_secs(60),
    );
    write("certificates", "authority", authority.certificate());
    write("certificates", "node", &node.expect("a certificate").certificate_der);
}

fn write_journal() {
    let record = Record {
        index: 3,
        at_us: 5,
        origin: NodeId::new([1; 28]),
        label: "key_value".to_owned(),
        body: vec![1, 2],
        large: None,
    };
    let bytes = record.encode();
    write("records", "file", &[&[2, 0x10][..], &part(&bytes), &[0x20], &part(&bytes)].concat());
    write("records", "sound", &[&[2, 0x11][..], &part(b"labelbody"), &[0x21], &part(b"labelbody")].concat());
    let mut redis = vec![2, 0x12, 0, 5];
    let values =
        ["5".to_owned(), record.origin.hex(), record.label.clone(), String::new(), record.checksum().to_string()];
    for (which, value) in (0..).zip(&values) {
        redis.push(which);
        redis.extend(part(if which == 3 { &record.body } else { value.as_bytes() }));
    }
    write("records", "redis", &redis);
    write("records", "packet", &[&[2, 0x13][..], &part(&[0x12, 2, 1, 1])].concat());
    for (name, change) in [
        ("flip", [1, 1, 0, 0, 70, 3]),
        ("cut", [1, 2, 0, 0, 90, 0]),
        ("zeros", [2, 3, 0, 0, 10, 9]),
        ("longer", [1, 4, 0, 0, 50, 0]),
        ("twice", [1, 5, 0, 0, 36, 0]),
        ("gone", [3, 6, 0, 0, 0, 0]),
    ] {
        write("journal_file", name, &change);
    }
    write("snapshot", "changed", &[1, 0, 9, 200]);
    write("snapshot", "empty", &[0]);
}

fn write_store(snapshots: &[(String, Vec<u8>)]) {
    write("sessions", "resumed", &[0, 1, 0, 8, 1, 8, 1, 20, 1, 0, 1, 1, 16, 2, 0, 5, 0]);
    let mut request = vec![0, 1, 1, 1, 0, 2, 0, 0, 0];
    request.resize(101, 0);
    request[53] = 64;
    request[69] = 64;
    write("transfer", "request", &request);
    write("transfer", "redirect", &[&[1, 3][..], &[1; 31]].concat());
    write("pulls", "fetched", &[0, 1, 6, 8, 0, 11, 12, 3, 1, 2, 6, 9, 5, 1, 13, 3, 5]);
    write("pulls", "served", &[15, 8, 250, 31, 9, 250, 15, 10, 250]);
    let kinds = [Kind::SegmentRequest, Kind::SegmentMap, Kind::SegmentReturn, Kind::ObjectSealed, Kind::ObjectFree];
    let mut all = Vec::new();
    for (number, kind) in (0..).zip(kinds) {
        for (_, frame) in
            snapshots.iter().filter(|(_, frame)| Header::parse(frame).is_ok_and(|header| header.kind == kind))
        {
            all.extend([&[1, number][..], &part(&frame[Header::LEN..])].concat());
        }
    }
    // A segment of a page, an object in it, and its end.
    let seals = [0x0a, 28].into_iter().chain([9; 28]).chain([0x10, 1, 0x20, 64]).collect::<Vec<u8>>();
    let small = [
        &[0, 0][..],
        &part(&[8, 1, 16, 0x80, 0x20]),
        &[1, 1],
        &part(&[8, 1]),
        &[0, 3],
        &part(&seals),
        &[0, 8, 3, 1, 9],
    ];
    write("store", "story", &small.concat());
    write("store", "all", &all);
}

fn write_process(snapshots: &[(String, Vec<u8>)]) {
    for (name, frame) in snapshots {
        let header = Header::parse(frame).expect("a header");
        let kind = Kind::ALL.iter().position(|kind| *kind == header.kind).expect("a kind") as u8;
        let body = frame[Header::LEN..].get(..250).unwrap_or(&frame[Header::LEN..]);
        let form = if header.kind as u16 >> 8 == 1 { 1 } else { 4 };
        write("process", name, &[&[form, kind, header.flags][..], &part(body)].concat());
    }
}

fn main() {
    let folder = root().join("../crates/wire/snapshots");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the snapshots").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let snapshots: Vec<_> = paths.iter().map(|path| snapshot(path)).collect();
    write_frames(&snapshots);
    write_handshakes();
    write_journal();
    write_store(&snapshots);
    write_process(&snapshots);
    for (name, story) in seeds_of_cluster::head() {
        write("head", name, &story);
    }
    for (name, story) in seeds_of_cluster::node() {
        write("node", name, &story);
    }
    for (number, message) in seeds_of_cluster::messages().iter().enumerate() {
        write("cluster_messages", &format!("message{number}"), message);
    }
    for (name, bytes) in
        [("client", &[1, 22, 3, 3, 0, 4, 2, 0, 0, 0][..]), ("server", &[0, 22, 3, 1, 0, 5, 1, 0, 0, 1, 3])]
    {
        write("tls", name, bytes);
    }
}

fn write_frames(snapshots: &[(String, Vec<u8>)]) {
    for (name, frame) in snapshots {
        write("frame_reader", name, &[&[0xff], &frame[..]].concat());
        let header = Header::parse(frame).expect("a header");
        let selector = match header.kind {
            Kind::TaskPush => header.flags << 1,
            Kind::TaskDone => header.flags << 1 | 1,
            _ => continue,
        };
        write("task_frames", name, &[&[selector], &frame[Header::LEN..]].concat());
        write("recorder", name, &recorder_with(&[frame, frame]));
    }
    let stream: Vec<u8> = snapshots.iter().flat_map(|(_, frame)| frame.clone()).collect();
    write("frame_reader", "all_in_one", &[&[9], &stream[..]].concat());
    write("recorder", "empty", &recorder_with(&[]));
    write("error_value", "user", &user_error(b"pickled"));
    write("error_value", "system", &SystemError::new("worker_died").with("pid", "7").with("signal", "9").encode());
    write("log_lines", "named", b"first\n\x01trygon:name:f\nsecond\r\nloose\x01trygon:name:g\nlast");
    write("log_lines", "long", b"a\xfe\xfe\n\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfeb\nc");
}
