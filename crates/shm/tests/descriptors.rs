//! What a process can do with a passed descriptor, and what it cannot.

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use std::os::fd::{AsFd, AsRawFd};
use trygon_shm::{CopyPlan, ReadOnlyMapping, Segment, SegmentBytes, WritableMapping};

const SIZE: u64 = 4 << 20;

fn resident_bytes(segment: &Segment) -> u64 {
    rustix::fs::fstat(segment).expect("a memfd").st_blocks as u64 * 512
}

#[test]
fn a_readers_descriptor_cannot_be_mapped_writable() {
    let segment = Segment::create("test", SIZE).expect("memory");
    let descriptor = segment.read_only_descriptor().expect("a descriptor");
    assert_eq!(WritableMapping::new(&descriptor, SIZE).expect_err("read-only"), Errno::ACCESS);
    // SAFETY: a new mapping; it is refused anyway.
    let mapped = unsafe {
        rustix::mm::mmap(std::ptr::null_mut(), SIZE as usize, ProtFlags::WRITE, MapFlags::SHARED, &descriptor, 0)
    };
    assert_eq!(mapped.expect_err("read-only"), Errno::ACCESS);
    let mapping = ReadOnlyMapping::new(&descriptor, SIZE).expect("a mapping");
    let start = mapping.as_ptr().cast_mut().cast();
    // SAFETY: the change is refused.
    let changed = unsafe { rustix::mm::mprotect(start, SIZE as usize, rustix::mm::MprotectFlags::WRITE) };
    assert_eq!(changed.expect_err("read-only"), Errno::ACCESS);
    assert!(
        rustix::fs::fallocate(&descriptor, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4096).is_err()
    );
    if !rustix::process::geteuid().is_root() {
        let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        assert_eq!(rustix::fs::open(path, OFlags::RDWR, Mode::empty()).expect_err("no write bit"), Errno::ACCESS);
    }
}

#[test]
fn nobody_can_shrink_what_others_have_mapped() {
    let segment = Segment::create("test", SIZE).expect("memory");
    let writer = segment.writable_descriptor().expect("a descriptor");
    assert_eq!(rustix::fs::ftruncate(&writer, 0).expect_err("sealed"), Errno::PERM);
    assert_eq!(rustix::fs::ftruncate(&writer, 2 * SIZE).expect_err("sealed"), Errno::PERM);
    assert_eq!(ReadOnlyMapping::new(&writer, 2 * SIZE).expect_err("another size"), Errno::INVAL);
}

#[test]
fn a_reader_sees_what_the_writer_wrote() {
    let segment = Segment::create("test", SIZE).expect("memory");
    let writer = WritableMapping::new(segment.writable_descriptor().expect("a descriptor"), SIZE).expect("a mapping");
    let reader = ReadOnlyMapping::new(segment.read_only_descriptor().expect("a descriptor"), SIZE).expect("a mapping");
    let body: Vec<u8> = (0..1_000_003u32).map(|index| (index % 251) as u8).collect();
    let written = writer.write_parts(64, &[b"head", &body], CopyPlan::default());
    assert_eq!(written, Some(4 + body.len() as u64));
    reader.populate(64, 4);
    assert_eq!(reader.range(64, 4), Some(&b"head"[..]));
    assert!(reader.range(68, body.len() as u64) == Some(&body[..]));
    assert_eq!(reader.range(SIZE - 1, 2), None);
    assert_eq!(reader.range(u64::MAX, 2), None);
    assert_eq!(writer.write_parts(SIZE - 2, &[b"abc"], CopyPlan::default()), None);
    assert_eq!(writer.range_mut_ptr(SIZE, 1), None);
}

#[test]
fn pages_are_there_at_once_and_go_when_erased() {
    let segment = Segment::create("test", SIZE).expect("memory");
    assert_eq!(resident_bytes(&segment), SIZE);
    assert_eq!(segment.erase(1, 3 * 4096).expect("sealed against resizing only"), 2 * 4096);
    assert_eq!(resident_bytes(&segment), SIZE - 2 * 4096);
    assert_eq!(segment.erase(1, 100).expect("nothing to do"), 0);
    assert_eq!(Segment::create_empty("test", 5000).expect("a memfd").size_bytes(), 8192);
    assert_eq!(Segment::rounded_size((2 << 20) + 1), 4 << 20);
}

#[test]
fn another_process_reads_through_a_passed_descriptor() {
    let segment = Segment::create("test", SIZE).expect("memory");
    let writer = WritableMapping::new(segment.writable_descriptor().expect("a descriptor"), SIZE).expect("a mapping");
    writer.write_parts(0, &[b"hello from the writer\n"], CopyPlan::default()).expect("room");
    // As its standard input, the way a child gets a descriptor without inheriting others.
    let reader =
        segment.read_only_descriptor().expect("a descriptor").as_fd().try_clone_to_owned().expect("a duplicate");
    let output = std::process::Command::new("head").arg("-n1").stdin(reader).output().expect("head runs");
    assert_eq!(output.stdout, b"hello from the writer\n");
}
