//! One suite for every way to learn what a worker uses: the same processes, the same promises.
//!
//! The way by `/proc` runs everywhere. Those by control groups run where such a group may be written to; where not, the test says so.

mod groups;
mod worker;

use crate::worker::{MARK, MIB, Worker, assert_near, used};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use trygon_processes::{MemoryAccounting, Sampling};

/// What every adapter promises.
fn conforms(accounting: &mut dyn MemoryAccounting) {
    grows_and_shrinks(accounting);
    counts_shared_memory_of_the_user(accounting);
    counts_children_once(accounting);
    counts_children_from_before(accounting);
    counts_orphans_and_ends_them(accounting);
    ends_for_those_that_are_gone(accounting);
}

fn grows_and_shrinks(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    accounting.watch(worker.pid()).expect("twice is as good as once");
    let before = used(accounting, &worker, u64::MAX);
    worker.tell("private 100");
    let after = used(accounting, &worker, before + 50 * MIB);
    assert_near(after - before, 100 * MIB, "private memory");
    worker.tell("free 0");
    assert_near(used(accounting, &worker, 0), before, "freed memory");
    accounting.forget(worker.pid());
    assert!(accounting.measure(worker.pid(), 0).is_none(), "it was forgotten");
}

fn counts_shared_memory_of_the_user(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    let before = used(accounting, &worker, u64::MAX);
    worker.tell("shared 80");
    let after = used(accounting, &worker, before + 40 * MIB);
    assert_near(after - before, 80 * MIB, "an anonymous shared mapping");
    accounting.forget(worker.pid());
}

/// What a process has in common with its parent is there once.
fn counts_children_once(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    let before = used(accounting, &worker, u64::MAX);
    worker.tell("private 100");
    worker.tell("fork 40");
    worker.tell("fork 40");
    let measured = accounting.measure(worker.pid(), before + 90 * MIB).expect("it lives");
    assert_near(measured.used_bytes - before, 180 * MIB, "a worker and its children");
    assert_eq!(measured.processes, 3);
    accounting.end(worker.pid());
    let _ = worker.child.wait();
    accounting.forget(worker.pid());
}

/// A child that was there before anybody watched is its worker's, too.
fn counts_children_from_before(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    worker.ask("later 50");
    std::thread::sleep(Duration::from_millis(250));
    accounting.watch(worker.pid()).expect("it lives");
    let before = used(accounting, &worker, 0);
    worker.await_answer();
    std::thread::sleep(Duration::from_millis(210));
    let measured = accounting.measure(worker.pid(), before + 20 * MIB).expect("it lives");
    assert_near(measured.used_bytes - before, 50 * MIB, "a child that was there before");
    assert_eq!(measured.processes, 2);
    accounting.end(worker.pid());
    let _ = worker.child.wait();
    accounting.forget(worker.pid());
}

/// A process that left its parents and their session is the worker's still.
fn counts_orphans_and_ends_them(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    let before = used(accounting, &worker, u64::MAX);
    worker.ask("orphan 60");
    worker.await_answer();
    std::thread::sleep(Duration::from_millis(210));
    let after = used(accounting, &worker, before + 30 * MIB);
    assert_near(after - before, 60 * MIB, "an orphan");
    let began = Instant::now();
    accounting.end(worker.pid());
    let _ = worker.child.wait();
    let mut rest = String::new();
    // The orphan has the other end of this pipe: it is closed when the last of them is gone.
    std::io::Read::read_to_string(&mut worker.answers, &mut rest).expect("the end of the pipe");
    assert!(began.elapsed() < Duration::from_secs(2), "something lived on for {:?}", began.elapsed());
    accounting.forget(worker.pid());
}

fn ends_for_those_that_are_gone(accounting: &mut dyn MemoryAccounting) {
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    rustix::process::kill_process(worker.pid(), Signal::KILL).expect("it lives");
    worker.child.wait().expect("its end");
    assert!(accounting.measure(worker.pid(), 0).is_none(), "{}: it is gone", accounting.name());
    accounting.end(worker.pid());
    accounting.forget(worker.pid());
    assert!(accounting.watch(worker.pid()).is_err(), "{}: it is gone", accounting.name());
}

#[test]
fn sampling_conforms() {
    // As a daemon is: what loses its parents becomes its child.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
    conforms(&mut Sampling::with_mark(MARK));
}

/// What is mapped of the object store is everybody's, and no one worker's.
#[test]
fn sampling_leaves_the_store_out() {
    let mut worker = Worker::start();
    let mut accounting = Sampling::new();
    accounting.watch(worker.pid()).expect("it lives");
    let before = used(&mut accounting, &worker, u64::MAX);
    worker.tell("store 200");
    assert_near(used(&mut accounting, &worker, before + 50 * MIB), before, "the store");
    worker.tell("private 60");
    assert_near(used(&mut accounting, &worker, before + 50 * MIB) - before, 60 * MIB, "private memory beside it");
    worker.tell("shared 70");
    assert_near(used(&mut accounting, &worker, before + 120 * MIB) - before, 130 * MIB, "shared memory beside it");
}

/// Two workers that were forked a moment ago have the same empty mark: neither is the other's.
#[test]
fn workers_without_a_mark_are_not_one_anothers() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
    let (mut first, mut second) = (Worker::marked("0000000000000000"), Worker::marked("0000000000000000"));
    let mut accounting = Sampling::with_mark(MARK);
    accounting.watch(first.pid()).expect("it lives");
    accounting.watch(second.pid()).expect("it lives");
    let before = used(&mut accounting, &first, 0);
    second.tell("private 100");
    first.tell("private 20");
    std::thread::sleep(Duration::from_millis(210));
    assert_near(used(&mut accounting, &first, 0) - before, 20 * MIB, "one of two");
}
