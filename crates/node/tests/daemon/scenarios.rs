//! What is tried on a real daemon.

use crate::channel::Channel;
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use trygon_wire::Kind;
use trygon_wire::control::{
    ActorUpdate, ConnectPeer, CreateActor, CreateActorReply, KillActor, LeaseGranted, LeaseRequest, LeaseReturn,
    LeaseWaits, LogLines, NodeFailed, NodeStarted, PeerConnected, PeerDied, Shutdown, StartNode, StateQuery,
    StateReply, ZygoteReady,
};

pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_killed_worker_is_reported_with_cause_and_leftovers", a_killed_worker_is_reported),
    ("a_returned_lease_is_granted_again", a_returned_lease_is_granted_again),
    ("the_driver_s_end_ends_everything", the_drivers_end_ends_everything),
    ("an_actor_restarts_once_and_dies", an_actor_restarts_once_and_dies),
    ("a_dead_zygote_is_replaced", a_dead_zygote_is_replaced),
    ("another_version_is_refused", another_version_is_refused),
    ("infeasible_work_is_told_why_it_waits", infeasible_work_is_told_why_it_waits),
    ("grants_are_quick", grants_are_quick),
];

struct Driver {
    channel: Channel,
    daemon: Child,
    daemon_pid: u32,
}

fn cpus(count: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([("CPU".to_owned(), count)])
}

impl Driver {
    fn spawn(version: &str) -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a pair of sockets");
        let program = std::env::current_exe().expect("this program");
        let daemon = Command::new("/bin/sh")
            .args(["-c", "exec \"$0\" node 3<&0 </dev/null"])
            .arg(&program)
            .stdin(Stdio::from(theirs))
            .spawn()
            .expect("the daemon starts");
        let channel = Channel::new(ours);
        let start = StartNode {
            package_version: version.to_owned(),
            python_executable: program.to_string_lossy().into_owned(),
            resources: cpus(2.0),
            log_to_driver: true,
            prestart_workers: 1,
            driver_pid: std::process::id(),
            idle_worker_ms: 200,
            ..StartNode::default()
        };
        channel.send(Kind::StartNode, &start);
        Self { channel, daemon, daemon_pid: 0 }
    }

    fn new() -> Self {
        let mut driver = Self::spawn(env!("CARGO_PKG_VERSION"));
        let started: NodeStarted = driver.channel.expect(Kind::NodeStarted).read();
        driver.daemon_pid = started.daemon_pid;
        // The process that was started stands guard over the daemon.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", started.daemon_pid)).expect("it runs");
        let parent = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(1).map(str::to_owned));
        assert_eq!(parent, Some(driver.daemon.id().to_string()));
        driver
    }

    fn ask(&self, request_id: u64, count: u32, resources: BTreeMap<String, f64>) {
        let name = "f".to_owned();
        self.channel
            .send(Kind::LeaseRequest, &LeaseRequest { request_id, resources, count, name, ..LeaseRequest::default() });
    }

    fn granted(&mut self) -> LeaseGranted {
        self.channel.expect(Kind::LeaseGranted).read()
    }

    /// The pid that the worker at the other end of the next connection tells.
    fn peer_pid(&mut self) -> Pid {
        let mut peer = Channel::new(self.channel.descriptors.pop_front().expect("a connection"));
        let hello: ZygoteReady = peer.expect(Kind::ZygoteReady).read();
        Pid::from_raw(hello.pid as i32).expect("a pid")
    }

    fn query(&mut self, what: &str) -> String {
        self.channel
            .send(Kind::StateQuery, &StateQuery { request_id: 1, what: what.to_owned(), argument: String::new() });
        self.channel.expect(Kind::StateReply).read::<StateReply>().json
    }

    fn end(mut self) {
        self.channel.send(Kind::Shutdown, &Shutdown {});
        let begin = Instant::now();
        assert!(self.daemon.wait().expect("the daemon ends").success());
        assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
    }
}

fn is_gone(pid: Pid) -> bool {
    let until = Instant::now() + Duration::from_secs(2);
    while rustix::process::test_kill_process(pid).is_ok() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

fn a_killed_worker_is_reported() {
    let mut driver = Driver::new();
    driver.ask(5, 1, cpus(1.0));
    let connected: PeerConnected = driver.channel.expect(Kind::PeerConnected).read();
    let granted = driver.granted();
    assert_eq!((granted.request_id, &granted.worker_id), (5, &connected.worker_id));
    let pid = driver.peer_pid();
    let begin = Instant::now();
    rustix::process::kill_process(pid, Signal::KILL).expect("killed");
    let died: PeerDied = driver.channel.expect(Kind::PeerDied).read();
    assert!(begin.elapsed() < Duration::from_millis(100), "seen after {:?}", begin.elapsed());
    let death = died.death.clone().expect("a cause");
    assert_eq!((death.kind.as_str(), death.signal), ("signal", 9), "{}", death.message);
    assert_eq!((died.started, died.slot, died.frames), (true, 7, vec![b"reply".to_vec()]));
    // Who asks late hears the same.
    driver.channel.send(Kind::ConnectPeer, &ConnectPeer { worker_id: connected.worker_id });
    let late: PeerDied = driver.channel.expect(Kind::PeerDied).read();
    assert_eq!(late.death, Some(death));
    assert_eq!(driver.query("available_resources"), "{\"CPU\":2.0}");
    driver.end();
}

fn a_returned_lease_is_granted_again() {
    let mut driver = Driver::new();
    let lines: LogLines = driver.channel.expect(Kind::LogLines).read();
    assert_eq!((lines.name.as_str(), lines.is_stderr), ("fake", true));
    assert_eq!(lines.lines, ["worker is ready"]);
    driver.ask(1, 3, cpus(1.0));
    let (first, second) = (driver.granted(), driver.granted());
    assert_ne!(first.worker_id, second.worker_id);
    assert_eq!(driver.query("available_resources"), "{}");
    driver.channel.send(Kind::LeaseReturn, &LeaseReturn { lease_id: first.lease_id, worker_exiting: false });
    let third = driver.granted();
    assert_eq!(third.worker_id, first.worker_id);
    for lease_id in [second.lease_id, third.lease_id, third.lease_id] {
        driver.channel.send(Kind::LeaseReturn, &LeaseReturn { lease_id, worker_exiting: false });
    }
    assert_eq!(driver.query("available_resources"), "{\"CPU\":2.0}");
    // One of the two idle workers is above the prestarted number.
    let ended: PeerDied = driver.channel.expect(Kind::PeerDied).read();
    assert_eq!(ended.death.expect("a cause").kind, "idle");
    driver.end();
}

fn the_drivers_end_ends_everything() {
    let mut driver = Driver::new();
    driver.ask(1, 2, cpus(1.0));
    driver.granted();
    driver.granted();
    let pids = [driver.peer_pid(), driver.peer_pid()];
    let Driver { channel, mut daemon, .. } = driver;
    drop(channel);
    let begin = Instant::now();
    daemon.wait().expect("the daemon ends");
    assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
    assert!(pids.into_iter().all(is_gone));
}

fn an_actor_restarts_once_and_dies() {
    let mut driver = Driver::new();
    let actor_id = vec![3; 16];
    let create = CreateActor {
        request_id: 9,
        actor_id: actor_id.clone(),
        class_name: "Counter".to_owned(),
        name: "it".to_owned(),
        placement_resources: cpus(1.0),
        max_restarts: 1,
        ..CreateActor::default()
    };
    driver.channel.send(Kind::CreateActor, &create);
    let reply: CreateActorReply = driver.channel.expect(Kind::CreateActorReply).read();
    assert_eq!(reply.error, "");
    let states = ["alive", "restarting", "alive", "dead"];
    for (index, expected) in states.into_iter().enumerate() {
        let update: ActorUpdate = driver.channel.expect(Kind::ActorUpdate).read();
        assert_eq!((update.state.as_str(), update.incarnation), (expected, u32::from(index > 0)));
        if expected == "alive" {
            let pid = driver.peer_pid();
            assert_eq!(driver.query("available_resources"), "{\"CPU\":2.0}");
            assert_eq!(driver.query("named_actors"), "[{\"name\":\"it\",\"namespace\":\"\"}]");
            if index == 0 {
                rustix::process::kill_process(pid, Signal::ABORT).expect("killed");
            } else {
                let kill = KillActor { actor_id: actor_id.clone(), no_restart: true, out_of_scope: false };
                driver.channel.send(Kind::KillActor, &kill);
            }
        } else {
            assert_eq!(update.death.expect("a cause").kind, if index == 1 { "signal" } else { "killed" });
        }
    }
    assert_eq!(driver.query("named_actors"), "[]");
    driver.end();
}

fn a_dead_zygote_is_replaced() {
    let mut driver = Driver::new();
    driver.ask(1, 1, cpus(1.0));
    driver.granted();
    let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let children = format!("/proc/{0}/task/{0}/children", driver.daemon_pid);
    let children = std::fs::read_to_string(children).expect("children");
    let zygote = children.split_whitespace().find(|pid| stat(pid).contains("-I")).expect("a zygote");
    rustix::process::kill_process(Pid::from_raw(zygote.parse().expect("a pid")).expect("a pid"), Signal::KILL)
        .expect("killed");
    driver.ask(2, 1, cpus(1.0));
    assert_eq!(driver.granted().request_id, 2);
    driver.end();
}

fn another_version_is_refused() {
    let mut driver = Driver::spawn("0.0.0-other");
    let failed: NodeFailed = driver.channel.expect(Kind::NodeFailed).read();
    assert!(
        failed.message.contains("0.0.0-other") && failed.message.contains(env!("CARGO_PKG_VERSION")),
        "{}",
        failed.message
    );
    driver.daemon.wait().expect("the daemon ends");
}

fn infeasible_work_is_told_why_it_waits() {
    let mut driver = Driver::new();
    driver.ask(1, 1, cpus(64.0));
    let waits: LeaseWaits = driver.channel.expect(Kind::LeaseWaits).read();
    assert!(waits.message.contains("64") && waits.message.contains("CPU: 2"), "{}", waits.message);
    driver.end();
}

fn grants_are_quick() {
    let mut driver = Driver::new();
    driver.ask(0, 1, cpus(1.0));
    let mut lease_id = driver.granted().lease_id;
    let rounds = 2_000;
    let begin = Instant::now();
    for round in 1..=rounds {
        driver.channel.send(Kind::LeaseReturn, &LeaseReturn { lease_id, worker_exiting: false });
        driver.ask(round, 1, cpus(1.0));
        lease_id = driver.granted().lease_id;
    }
    println!("a lease returned and granted: {} us", begin.elapsed().as_micros() / u128::from(rounds));
    driver.end();
}
