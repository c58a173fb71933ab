//! One suite for every way to learn what a worker uses: the same processes, the same promises.
//!
//! The way by `/proc` runs everywhere. Those by control groups run where such a group may be written to; where not, the test says so.

use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use trygon_processes::{CgroupV1, CgroupV2, MemoryAccounting, Sampling};

const MIB: u64 = 1 << 20;
/// What the interpreter and the system add to what was asked for.
const SLACK: u64 = 12 * MIB;

/// Does what it is told, line by line, and says when it is done.
const SCRIPT: &str = r#"
import mmap, os, sys, time
kept = []
def touch(memory):
    for at in range(0, len(memory), 4096):
        memory[at] = 1
    kept.append(memory)
for line in sys.stdin:
    what, size = line.split()
    size = int(size) << 20
    if what == "private":
        touch(bytearray(size))
    elif what == "shared":
        touch(mmap.mmap(-1, size))
    elif what == "store":
        memory = os.memfd_create("trygon-store")
        os.truncate(memory, size)
        touch(mmap.mmap(memory, size))
    elif what == "free":
        kept.clear()
    elif what == "fork":
        if os.fork() == 0:
            touch(bytearray(size))
            print("done", flush=True)
            time.sleep(60)
            os._exit(0)
        continue
    elif what == "orphan":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(0.1)
                touch(bytearray(size))
                print("done", flush=True)
                time.sleep(60)
            os._exit(0)
        continue
    print("done", flush=True)
"#;

/// Tells whose a process is that has lost its parents.
const MARK: &str = "TEST_WORKER_MARK";
static STARTED: AtomicU32 = AtomicU32::new(1);

struct Worker {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start() -> Self {
        Self::marked(&STARTED.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn marked(mark: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-I", "-S", "-c", SCRIPT])
            .env(MARK, mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut worker = Self { child, answers };
        worker.tell("private 0");
        worker
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn ask(&mut self, what: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{what}").expect("it listens");
    }

    fn await_answer(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        assert_eq!(line, "done\n");
    }

    fn tell(&mut self, what: &str) {
        self.ask(what);
        self.await_answer();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn used(accounting: &mut dyn MemoryAccounting, worker: &Worker, limit: u64) -> u64 {
    accounting.measure(worker.pid(), limit).expect("it lives").used_bytes
}

#[track_caller]
fn assert_near(actual: u64, expected: u64, what: &str) {
    let (low, high) = (expected.saturating_sub(SLACK), expected + SLACK);
    assert!((low..=high).contains(&actual), "{what}: {} MiB, expected {}", actual / MIB, expected / MIB);
}

/// What every adapter promises.
fn conforms(accounting: &mut dyn MemoryAccounting) {
    grows_and_shrinks(accounting);
    counts_shared_memory_of_the_user(accounting);
    counts_children_once(accounting);
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

/// The group of one controller that this process is in.
fn own_group(is_it: impl Fn(&str, &str) -> bool, mount: &str) -> Option<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        is_it(number, names).then(|| path.to_owned())
    })?;
    Some(PathBuf::from(format!("{mount}{path}")))
}

#[test]
fn cgroup_v1_conforms() {
    let own = own_group(|_, names| names.split(',').any(|name| name == "memory"), "/sys/fs/cgroup/memory");
    match own.map(|own| CgroupV1::below(&own)) {
        Some(Ok(mut accounting)) => conforms(&mut accounting),
        other => println!("not run: no group of version 1 that may be written to: {other:?}"),
    }
}

#[test]
fn cgroup_v2_conforms() {
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let own = mounts.iter().filter_map(|mount| own_group(|number, names| number == "0" && names.is_empty(), mount));
    let mut tried = Vec::new();
    for group in own {
        match CgroupV2::below(&group) {
            Ok(mut accounting) => return conforms(&mut accounting),
            Err(error) => tried.push(format!("{}: {error}", group.display())),
        }
    }
    println!("not run: no group of version 2 with the memory controller that may be written to: {tried:?}");
}

/// The files of a group as the kernel writes them, where there is no such kernel.
#[test]
fn cgroup_v2_reads_what_the_kernel_writes() {
    let folder = std::env::temp_dir().join(format!("cgroup-v2-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("cgroup.controllers"), "cpu io\n").expect("a file");
    assert!(CgroupV2::below(&folder).is_err(), "without the controller it cannot be");
    std::fs::write(folder.join("cgroup.controllers"), "cpu memory\n").expect("a file");
    let mut accounting = CgroupV2::below(&folder).expect("a group");
    let enabled = std::fs::read_to_string(folder.join("cgroup.subtree_control")).expect("a file");
    assert_eq!(enabled, "+memory");
    let own = rustix::process::getpid();
    accounting.watch(own).expect("a group");
    let group = folder.join(format!("trygon-{}/{}", std::process::id(), std::process::id()));
    assert_eq!(std::fs::read_to_string(group.join("cgroup.procs")).expect("a file"), std::process::id().to_string());
    std::fs::write(group.join("memory.stat"), "anon 1000\nfile 500\nshmem 70\ninactive_file 9\n").expect("a file");
    std::fs::write(group.join("memory.swap.current"), "5\n").expect("a file");
    assert_eq!(accounting.measure(own, 0).map(|measured| (measured.used_bytes, measured.processes)), Some((1075, 1)));
    let _ = std::fs::remove_dir_all(&folder);
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
