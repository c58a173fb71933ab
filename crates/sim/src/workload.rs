//! What a run is made of: sizes, shares and faults.

/// One kind of run.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// Steps of the driver's program.
    pub driver_steps: u64,
    /// Most steps of a task.
    pub task_steps: u64,
    /// Deepest nesting.
    pub max_depth: u16,
    /// Whether there are actors.
    pub actors: bool,
    /// Whether actors are killed.
    pub kills: bool,
    /// Tasks that raise, in percent.
    pub raise_percent: u64,
    /// Values that lie in the store, in percent.
    pub stored_percent: u64,
    /// Tasks after which their worker exits, in percent.
    pub exit_percent: u64,
    /// Children that are generators, in percent.
    pub stream_percent: u64,
    /// Steps in ten thousand at which the worker crashes.
    pub crash_per_10000: u64,
    /// Replies of dead workers that arrive after their death is known, in percent of deaths.
    pub late_percent: u64,
    /// Deaths after which nothing is known of what was begun, as when the whole machine is gone, in percent.
    pub lost_record_percent: u64,
    /// Steps after which something is cancelled, in percent.
    pub cancel_percent: u64,
    /// Machines whose memory stored values lie in; with none, it is never lost.
    pub nodes: u64,
    /// Steps in ten thousand at which such a machine's memory is lost.
    pub loss_per_10000: u64,
    /// Most machines of a cluster; with 0, there is one machine without a head.
    pub machines: u64,
    /// Whether tasks have limits of memory, and machines run out of it.
    pub is_pressed: bool,
    /// Steps in ten thousand at which a machine begins to go: what lies there is moved, and then its memory is lost.
    pub drain_per_10000: u64,
    /// Tasks that are tried again when they raise, in percent; where there are such, some raise in their first attempts only.
    pub retry_percent: u64,
    /// Runtime environments that tasks run in besides the plain one.
    pub environments: u64,
    /// Bytes that arguments of the driver's unfinished tasks may take before it waits to submit; 0 for any number.
    pub argument_limit_bytes: usize,
    /// Programs that share the node, of different weights; processes are of one after the other.
    pub jobs: usize,
}

const QUIET: Workload = Workload {
    name: "quiet",
    driver_steps: 60,
    task_steps: 8,
    max_depth: 4,
    actors: false,
    kills: false,
    raise_percent: 0,
    stored_percent: 25,
    exit_percent: 0,
    stream_percent: 0,
    crash_per_10000: 0,
    late_percent: 0,
    lost_record_percent: 0,
    cancel_percent: 0,
    nodes: 0,
    loss_per_10000: 0,
    machines: 0,
    is_pressed: false,
    drain_per_10000: 0,
    retry_percent: 0,
    environments: 0,
    argument_limit_bytes: 0,
    jobs: 1,
};

/// All kinds, from the calmest on.
pub const WORKLOADS: &[Workload] = &[
    QUIET,
    Workload { name: "raise", raise_percent: 12, ..QUIET },
    Workload { name: "actors", actors: true, raise_percent: 4, ..QUIET },
    Workload { name: "crash", crash_per_10000: 250, raise_percent: 4, ..QUIET },
    Workload { name: "late", crash_per_10000: 500, late_percent: 100, ..QUIET },
    Workload {
        name: "lost-record",
        crash_per_10000: 350,
        lost_record_percent: 60,
        actors: true,
        kills: true,
        raise_percent: 4,
        ..QUIET
    },
    Workload { name: "streams", stream_percent: 40, raise_percent: 8, ..QUIET },
    Workload {
        name: "streams-crash",
        stream_percent: 40,
        actors: true,
        exit_percent: 5,
        crash_per_10000: 200,
        raise_percent: 4,
        ..QUIET
    },
    Workload { name: "retries", retry_percent: 70, actors: true, raise_percent: 4, ..QUIET },
    Workload { name: "cancel", cancel_percent: 20, raise_percent: 4, ..QUIET },
    Workload {
        name: "regret",
        cancel_percent: 15,
        actors: true,
        kills: true,
        exit_percent: 5,
        crash_per_10000: 150,
        raise_percent: 4,
        ..QUIET
    },
    Workload { name: "shares", jobs: 3, task_steps: 12, ..QUIET },
    Workload { name: "shares-crash", jobs: 2, actors: true, exit_percent: 5, crash_per_10000: 150, ..QUIET },
    Workload { name: "losses", nodes: 6, loss_per_10000: 120, stored_percent: 60, ..QUIET },
    Workload {
        name: "losses-streams",
        nodes: 6,
        loss_per_10000: 120,
        stored_percent: 60,
        stream_percent: 40,
        raise_percent: 4,
        ..QUIET
    },
    Workload {
        name: "losses-chaos",
        nodes: 8,
        loss_per_10000: 100,
        stored_percent: 60,
        stream_percent: 20,
        actors: true,
        kills: true,
        exit_percent: 5,
        crash_per_10000: 120,
        raise_percent: 4,
        ..QUIET
    },
    Workload {
        name: "losses-regret",
        nodes: 6,
        loss_per_10000: 100,
        stored_percent: 60,
        cancel_percent: 12,
        crash_per_10000: 50,
        raise_percent: 4,
        ..QUIET
    },
    Workload { name: "drains", nodes: 6, drain_per_10000: 60, stored_percent: 60, driver_steps: 130, ..QUIET },
    Workload {
        name: "drains-chaos",
        nodes: 8,
        drain_per_10000: 60,
        loss_per_10000: 40,
        stored_percent: 60,
        stream_percent: 20,
        actors: true,
        kills: true,
        exit_percent: 5,
        crash_per_10000: 100,
        raise_percent: 4,
        ..QUIET
    },
    Workload { name: "environments", environments: 2, exit_percent: 5, raise_percent: 4, ..QUIET },
    Workload { name: "budget", argument_limit_bytes: 120, driver_steps: 90, ..QUIET },
    Workload { name: "memory", is_pressed: true, crash_per_10000: 50, raise_percent: 4, ..QUIET },
    Workload { name: "cluster", machines: 8, ..QUIET },
    Workload {
        name: "cluster-storm",
        machines: 12,
        driver_steps: 160,
        task_steps: 12,
        is_pressed: true,
        stored_percent: 50,
        stream_percent: 25,
        actors: true,
        kills: true,
        exit_percent: 4,
        crash_per_10000: 30,
        raise_percent: 3,
        jobs: 3,
        ..QUIET
    },
    Workload {
        name: "cluster-chaos",
        machines: 20,
        is_pressed: true,
        stored_percent: 40,
        stream_percent: 20,
        actors: true,
        kills: true,
        exit_percent: 5,
        crash_per_10000: 80,
        raise_percent: 4,
        cancel_percent: 5,
        jobs: 2,
        ..QUIET
    },
    Workload {
        name: "chaos",
        actors: true,
        kills: true,
        exit_percent: 5,
        crash_per_10000: 150,
        raise_percent: 4,
        ..QUIET
    },
];

/// The kind with this name.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// Whether processes die before the end.
    pub(crate) fn has_deaths(&self) -> bool {
        self.actors || self.machines > 0 || self.is_pressed || self.exit_percent > 0 || self.crash_per_10000 > 0
    }
}
