//! What a simulated program does. A script follows from its seed alone, so that the simulator's tasks and the plain computation that they
//! are compared with run the same steps.

use crate::random::{Random, mix};
use crate::workload::Workload;

/// One step. A pick chooses among the references that the script holds, modulo their number.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put {
        stored: bool,
    },
    PutNested {
        pick: u32,
    },
    Submit(Child),
    /// Calls an actor whose handle is held.
    Call {
        handle: u32,
        child: Child,
    },
    CreateActor {
        pick: u32,
        max_restarts: i64,
    },
    Get {
        pick: u32,
    },
    Drop {
        pick: u32,
    },
    /// An actor keeps a reference beyond the call.
    Keep {
        pick: u32,
    },
    /// It lets go of one that it kept.
    Forget {
        pick: u32,
    },
    KillActor {
        handle: u32,
    },
}

/// A task to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) seed: u64,
    pub(crate) dependencies: Vec<u32>,
    pub(crate) contained: Vec<u32>,
    pub(crate) num_returns: u16,
    /// A generator: so many of its items are taken at most; with none it is dropped at once.
    pub(crate) taken: Option<u16>,
    pub(crate) exits: bool,
    pub(crate) max_retries: i32,
    /// It is tried again when it raises, too.
    pub(crate) retry_errors: bool,
}

/// How a script ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Return { nested: Vec<u32>, stored: bool },
    Raise,
}

/// Steps and end.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// Where a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Driver,
    Task,
    Actor,
}

impl Script {
    pub(crate) fn of(seed: u64, depth: u16, place: Place, workload: &Workload) -> Self {
        let mut random = Random::new(seed);
        let limit = if place == Place::Driver { workload.driver_steps } else { workload.task_steps };
        let count = if place == Place::Driver { limit } else { random.below(limit + 1) };
        let steps = (0..count).filter_map(|_| step(&mut random, depth, place, workload)).collect();
        let end = if random.percent(workload.raise_percent) {
            End::Raise
        } else {
            let nested = (0..random.below(3)).map(|_| random.number() as u32).collect();
            End::Return { nested, stored: random.percent(workload.stored_percent) }
        };
        Self { seed, steps, end }
    }
}

fn picks(random: &mut Random, limit: u64) -> Vec<u32> {
    (0..random.below(limit)).map(|_| random.number() as u32).collect()
}

fn child(random: &mut Random, workload: &Workload) -> Child {
    let mut child = Child {
        seed: mix(random.number(), 1),
        dependencies: picks(random, 3),
        contained: picks(random, 3),
        num_returns: if random.percent(15) { 2 + random.below(2) as u16 } else { 1 },
        exits: random.percent(workload.exit_percent),
        max_retries: if random.percent(70) { 3 } else { 0 },
        retry_errors: false,
        taken: None,
    };
    // Asked last, so that workloads without generators keep their scripts.
    if workload.stream_percent > 0 && random.percent(workload.stream_percent) {
        child.num_returns = item_count(child.seed);
        child.taken = Some(if random.percent(75) { child.num_returns } else { random.below(5) as u16 });
    }
    if workload.retry_percent > 0 {
        child.retry_errors = random.percent(workload.retry_percent);
    }
    child
}

/// How many attempts of a task raise before one returns follows from its seed.
pub(crate) fn raise_count(seed: u64, workload: &Workload) -> u32 {
    if workload.retry_percent == 0 { 0 } else { [0, 0, 0, 0, 1, 1, 2, 4][(seed >> 8) as usize % 8] }
}

/// How often a child is run again, as a task or as a call.
pub(crate) fn retry_count(child: &Child, place: Place) -> i32 {
    if place == Place::Actor { child.max_retries.min(1) } else { child.max_retries }
}

/// How many items a generator makes follows from its seed, as all that it does.
pub(crate) fn item_count(seed: u64) -> u16 {
    (seed % 5) as u16
}

fn step(random: &mut Random, depth: u16, place: Place, workload: &Workload) -> Option<Step> {
    let pick = random.number() as u32;
    let kind = random.below(100);
    let may_submit = depth < workload.max_depth;
    Some(match kind {
        0..12 => Step::Put { stored: random.percent(workload.stored_percent) },
        12..22 => Step::PutNested { pick },
        22..45 => {
            let mut child = child(random, workload);
            if place == Place::Actor {
                // It may not wait, so it takes nothing.
                child.taken = child.taken.map(|_| 0);
            }
            if !may_submit {
                return None;
            }
            Step::Submit(child)
        }
        45..58 => {
            let mut child = Child { exits: false, ..child(random, workload) };
            if child.taken.is_none() {
                child.num_returns = 1;
            }
            if place == Place::Task {
                // Callers are told apart by process: a call whose argument is late would hold back those of later tasks there, and one of
                // them may be what makes the argument.
                child.dependencies.clear();
            }
            if place == Place::Actor || !may_submit || !workload.actors {
                return None;
            }
            Step::Call { handle: pick, child }
        }
        58..63 if place == Place::Driver && workload.actors => {
            Step::CreateActor { pick, max_restarts: random.below(3) as i64 }
        }
        // An actor that waited for a call to itself would wait for ever, and it cannot know what a reference waits for.
        63..82 if place != Place::Actor => Step::Get { pick },
        82..91 => Step::Drop { pick },
        91..95 if place == Place::Actor => Step::Keep { pick },
        95..97 if place == Place::Actor => Step::Forget { pick },
        97 if place == Place::Driver && workload.kills => Step::KillActor { handle: pick },
        _ => return None,
    })
}
