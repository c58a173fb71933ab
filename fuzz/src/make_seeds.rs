//! Writes `fuzz/seeds` anew, mostly from the snapshots of the wire crate: `cargo run --example make_seeds` in this folder.

use std::path::{Path, PathBuf};
use trygon_wire::{Header, Kind, recorder};
use trygon_worker_core::{SystemError, user_error};

#[path = "../../crates/wire/tests/snapshot_files/mod.rs"]
#[allow(dead_code)]
mod snapshot_files;

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

fn main() {
    let folder = root().join("../crates/wire/snapshots");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the snapshots").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let snapshots: Vec<_> = paths.iter().map(|path| snapshot(path)).collect();
    for (name, frame) in &snapshots {
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
