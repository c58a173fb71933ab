//! A process that uses memory as it is told.

use rustix::process::Pid;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use trygon_processes::MemoryAccounting;

pub(crate) const MIB: u64 = 1 << 20;
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
    elif what == "later":
        if os.fork() == 0:
            time.sleep(0.5)
            touch(bytearray(size))
            print("done", flush=True)
            time.sleep(60)
            os._exit(0)
        continue
    elif what == "read":
        for memory in kept:
            sum(memory[::4096])
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
pub(crate) const MARK: &str = "TEST_WORKER_MARK";
static STARTED: AtomicU32 = AtomicU32::new(1);

pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    pub(crate) fn start() -> Self {
        Self::marked(&STARTED.fetch_add(1, Ordering::Relaxed).to_string())
    }

    pub(crate) fn marked(mark: &str) -> Self {
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

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn ask(&mut self, what: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{what}").expect("it listens");
    }

    pub(crate) fn await_answer(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        assert_eq!(line, "done\n");
    }

    pub(crate) fn tell(&mut self, what: &str) {
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

pub(crate) fn used(accounting: &mut dyn MemoryAccounting, worker: &Worker, limit: u64) -> u64 {
    accounting.measure(worker.pid(), limit).expect("it lives").used_bytes
}

#[track_caller]
pub(crate) fn assert_near(actual: u64, expected: u64, what: &str) {
    let (low, high) = (expected.saturating_sub(SLACK), expected + SLACK);
    assert!((low..=high).contains(&actual), "{what}: {} MiB, expected {}", actual / MIB, expected / MIB);
}
