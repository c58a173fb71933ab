//! The same scripts computed in one go, without processes: what every object has to be.

use crate::random::mix;
use crate::script::{Child, End, Place, Script, Step, raise_count, retry_count};
use crate::workload::Workload;
use std::rc::Rc;

/// What an object is.
#[derive(Debug)]
pub(crate) enum Plain {
    Value {
        number: u64,
        nested: Vec<Rc<Plain>>,
    },
    /// Raised by a task, with this mark.
    Raised(u64),
    /// Counts the handles of an actor.
    Handle,
}

impl Plain {
    /// The mark of what raised.
    pub(crate) fn mark(&self) -> Option<u64> {
        if let Self::Raised(mark) = self { Some(*mark) } else { None }
    }

    pub(crate) fn is_handle(&self) -> bool {
        matches!(self, Self::Handle)
    }
}

/// References that a script holds, dropped ones as gaps.
pub(crate) type Held<T> = Vec<Option<T>>;

/// The place of the reference that a pick means, among those that `wanted` accepts.
pub(crate) fn picked<T>(held: &Held<T>, pick: u32, wanted: impl Fn(&T) -> bool) -> Option<usize> {
    let fitting: Vec<usize> = held
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.as_ref().is_some_and(&wanted))
        .map(|(place, _)| place)
        .collect();
    if fitting.is_empty() { None } else { Some(fitting[pick as usize % fitting.len()]) }
}

/// What a task's results are.
pub(crate) fn results(
    child: &Child,
    dependencies: &[Rc<Plain>],
    contained: &[Rc<Plain>],
    depth: u16,
    place: Place,
    workload: &Workload,
) -> Vec<Rc<Plain>> {
    let count = usize::from(child.num_returns);
    // A generator that raises makes one item of it.
    let failed = if child.taken.is_some() { 1 } else { count };
    for dependency in dependencies {
        if let Plain::Raised(mark) = &**dependency {
            return (0..failed).map(|_| Rc::new(Plain::Raised(*mark))).collect();
        }
    }
    let script = Script::of(child.seed, depth, place, workload);
    let most = if child.retry_errors { retry_count(child, place) } else { 0 };
    let is_final = i64::from(raise_count(child.seed, workload)) > i64::from(most);
    match run(&script, dependencies, contained, depth, workload) {
        Ok(_) if is_final => (0..failed).map(|_| Rc::new(Plain::Raised(child.seed))).collect(),
        Err(mark) => (0..failed).map(|_| Rc::new(Plain::Raised(mark))).collect(),
        Ok((number, nested)) => (0..count as u64)
            .map(|index| {
                let nested = if index == 0 { nested.clone() } else { Vec::new() };
                Rc::new(Plain::Value { number: mix(number, index), nested })
            })
            .collect(),
    }
}

type Returned = (u64, Vec<Rc<Plain>>);

fn run(
    script: &Script,
    dependencies: &[Rc<Plain>],
    contained: &[Rc<Plain>],
    depth: u16,
    workload: &Workload,
) -> Result<Returned, u64> {
    let mut number = script.seed;
    let mut held: Held<Rc<Plain>> = Vec::new();
    for dependency in dependencies {
        take_in(dependency, &mut number, &mut held)?;
    }
    held.extend(contained.iter().cloned().map(Some));
    for (place, step) in script.steps.iter().enumerate() {
        match step {
            Step::Put { .. } => {
                held.push(Some(Rc::new(Plain::Value { number: mix(script.seed, place as u64), nested: Vec::new() })));
            }
            Step::PutNested { pick } => {
                if let Some(inner) = picked(&held, *pick, |plain| !plain.is_handle()) {
                    let nested = held[inner].iter().cloned().collect();
                    held.push(Some(Rc::new(Plain::Value { number: mix(script.seed, place as u64), nested })));
                }
            }
            Step::Submit(child) => {
                let made = submit(child, &held, depth, Place::Task, workload)?;
                held.extend(made.into_iter().map(Some));
            }
            Step::Call { handle, child } => {
                if picked(&held, *handle, |plain| plain.is_handle()).is_some() {
                    let made = submit(child, &held, depth, Place::Actor, workload)?;
                    held.extend(made.into_iter().map(Some));
                }
            }
            Step::Get { pick } => {
                if let Some(target) = picked(&held, *pick, |plain| !plain.is_handle())
                    && let Some(plain) = held[target].clone()
                {
                    take_in(&plain, &mut number, &mut held)?;
                }
            }
            Step::Drop { pick } => {
                if let Some(target) = picked(&held, *pick, |_| true) {
                    held[target] = None;
                }
            }
            Step::CreateActor { .. } | Step::Keep { .. } | Step::Forget { .. } | Step::KillActor { .. } => {}
        }
    }
    match &script.end {
        End::Raise => Err(script.seed),
        End::Return { nested, .. } => {
            let chosen = nested.iter().filter_map(|pick| picked(&held, *pick, |plain| !plain.is_handle()));
            let nested = chosen.filter_map(|place| held[place].clone()).collect();
            Ok((number, nested))
        }
    }
}

fn take_in(plain: &Rc<Plain>, number: &mut u64, held: &mut Held<Rc<Plain>>) -> Result<(), u64> {
    match &**plain {
        Plain::Value { number: value, nested } => {
            *number = mix(*number, *value);
            held.extend(nested.iter().cloned().map(Some));
            Ok(())
        }
        Plain::Raised(mark) => Err(*mark),
        Plain::Handle => Ok(()),
    }
}

/// What a script holds after submitting a child. Of a generator it waits for the end, which raises when an argument did.
fn submit(
    child: &Child,
    held: &Held<Rc<Plain>>,
    depth: u16,
    place: Place,
    workload: &Workload,
) -> Result<Vec<Rc<Plain>>, u64> {
    let (dependencies, contained) = arguments(child, held, place, |plain| plain.is_handle());
    let mark = dependencies.iter().find_map(|dependency| dependency.mark());
    let mut made = results(child, &dependencies, &contained, depth + 1, place, workload);
    if let Some(taken) = child.taken {
        made.truncate(usize::from(taken));
        if let Some(mark) = mark.filter(|_| taken > 0) {
            return Err(mark);
        }
    }
    Ok(made)
}

/// Chooses a child's arguments. Handles are passed as they are, and never to actors: a call to itself would wait for ever.
pub(crate) fn arguments<T: Clone>(
    child: &Child,
    held: &Held<T>,
    place: Place,
    is_handle: impl Fn(&T) -> bool,
) -> (Vec<T>, Vec<T>) {
    let value = |pick: &u32| picked(held, *pick, |entry| !is_handle(entry)).and_then(|place| held[place].clone());
    let any = |pick: &u32| {
        picked(held, *pick, |entry| place == Place::Task || !is_handle(entry)).and_then(|place| held[place].clone())
    };
    (child.dependencies.iter().filter_map(value).collect(), child.contained.iter().filter_map(any).collect())
}
