//! The simulator's command line: seeds, one seed with its trace, or the planted defects.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;
use trygon_sim::scale::Size;
use trygon_sim::{
    Counts, DEFECTS, Defects, OWNER_DEFECTS, PlantedInDisk, WORKLOADS, Workload, crashes, find_in_disk, run, workload,
};
use trygon_sim::{brains, carry, control, partitions, storage};

const USAGE: &str = "usage: trygon-sim [--workload NAME] [--seeds N] [--first SEED]
       trygon-sim --workload NAME --seed S [--trace]
       trygon-sim --defects [--workload NAME] [--seeds N]
       trygon-sim --workload scale [--nodes N] [--actors N] [--groups N] [--tasks N]";

/// A world of its own, beside those in which programs run: its workloads, and how they and their planted defects are gone through.
struct World {
    names: &'static [&'static str],
    /// A workload, the first seed, how many, and whether what happens is printed.
    run: fn(&str, u64, u64, bool) -> bool,
    find: fn(u64) -> bool,
}

const WORLDS: &[World] = &[
    World { names: &["head"], run: |_, first, seeds, _| crash_many(first, seeds), find: find_in_disk },
    World {
        names: &["partitions"],
        run: |_, first, seeds, _| run_partitions(first, seeds),
        find: find_partition_defects,
    },
    World {
        names: &["control"],
        run: |_, first, seeds, prints| control::run_many(first, seeds, prints),
        find: control::find,
    },
    World { names: &["carry"], run: |_, first, seeds, _| carry::run_many(first, seeds), find: carry::find },
    World {
        names: &["node", "patience", "placing"],
        run: |name, first, seeds, _| brains::run_many(Some(name), first, seeds),
        find: brains::find_defects,
    },
    World {
        names: &["store", "spill", "pulls", "spread"],
        run: |name, first, seeds, _| {
            storage::workload(name).is_some_and(|one| storage::run_many(&[*one], first, seeds))
        },
        find: storage::find_defects,
    },
];

#[derive(Default)]
struct Options {
    seeds: u64,
    first: u64,
    seed: Option<u64>,
    workload: Option<&'static Workload>,
    world: Option<(&'static World, &'static str)>,
    trace: bool,
    defects: bool,
    scale: Option<Size>,
}

/// The world in which a workload runs, and the workload's name.
fn world(name: &str) -> Option<(&'static World, &'static str)> {
    WORLDS.iter().find_map(|world| Some((world, *world.names.iter().find(|known| **known == name)?)))
}

fn parse() -> Option<Options> {
    let mut options = Options { seeds: 300, ..Options::default() };
    let (mut size, mut is_scale) = (Size::default(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--nodes" => size.nodes = arguments.next()?.parse().ok()?,
            "--actors" => size.actors = arguments.next()?.parse().ok()?,
            "--groups" => size.groups = arguments.next()?.parse().ok()?,
            "--tasks" => size.tasks = arguments.next()?.parse().ok()?,
            "--seeds" => options.seeds = arguments.next()?.parse().ok()?,
            "--first" => options.first = arguments.next()?.parse().ok()?,
            "--seed" => options.seed = Some(arguments.next()?.parse().ok()?),
            "--workload" => {
                let name = arguments.next()?;
                is_scale = name == "scale";
                options.world = world(&name);
                if !is_scale && options.world.is_none() {
                    options.workload = Some(workload(&name)?);
                }
            }
            "--trace" => options.trace = true,
            "--defects" => options.defects = true,
            _ => return None,
        }
    }
    options.scale = is_scale.then_some(size);
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = parse() else {
        let apart = WORLDS.iter().flat_map(|world| world.names).copied();
        let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).chain(apart).chain(["scale"]).collect();
        eprintln!("{USAGE}\nworkloads: {}", names.join(", "));
        return ExitCode::from(2);
    };
    let passed = if let Some(size) = options.scale {
        trygon_sim::scale::run(size)
    } else if let Some((world, name)) = options.world {
        let (first, seeds) = options.seed.map_or((options.first, options.seeds), |seed| (seed, 1));
        if options.defects { (world.find)(options.seeds) } else { (world.run)(name, first, seeds, options.trace) }
    } else if options.defects {
        WORLDS.iter().fold(find_defects(options.seeds), |passed, world| (world.find)(options.seeds) & passed)
    } else if let Some(seed) = options.seed {
        run_one(seed, options.workload.unwrap_or(&WORKLOADS[0]), options.trace)
    } else {
        run_many(&options) & (options.workload.is_some() || run_worlds(options.first, options.seeds))
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_worlds(first: u64, seeds: u64) -> bool {
    let all = WORLDS.iter().flat_map(|world| world.names.iter().map(move |name| (world, name)));
    all.fold(true, |passed, (world, name)| (world.run)(name, first, seeds, false) & passed)
}

fn run_one(seed: u64, workload: &Workload, prints: bool) -> bool {
    let outcome = run(seed, workload, Defects::default(), prints);
    println!("seed {seed}, {}: {:?}, trace {:016x}", workload.name, outcome.counts, outcome.trace);
    if let Some(failure) = &outcome.failure {
        println!("{failure}");
    }
    outcome.failure.is_none()
}

/// Two halves at a time: every run is alone in its thread.
fn run_many(options: &Options) -> bool {
    let workloads: Vec<Workload> = options.workload.map_or_else(|| WORKLOADS.to_vec(), |one| vec![*one]);
    let (first, seeds) = (options.first, options.seeds);
    let began = std::time::Instant::now();
    let (mut passed, mut failed, mut all) = (0u64, 0u64, Counts::default());
    for chunk in (first..first + seeds).collect::<Vec<u64>>().chunks(50) {
        let outcomes = std::thread::scope(|scope| {
            let halves: Vec<_> = chunk
                .chunks(chunk.len().div_ceil(2))
                .map(|half| {
                    let workloads = &workloads;
                    scope.spawn(move || {
                        let one = |seed: u64, workload: &Workload| {
                            (seed, workload.name, run(seed, workload, Defects::default(), false))
                        };
                        half.iter()
                            .flat_map(|seed| workloads.iter().map(move |workload| one(*seed, workload)))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            halves.into_iter().flat_map(|half| half.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        for (seed, name, outcome) in outcomes {
            all.add(&outcome.counts);
            match outcome.failure {
                None => passed += 1,
                Some(failure) => {
                    failed += 1;
                    println!("\nseed {seed}, {name}: {failure}");
                }
            }
        }
        print!("\r{passed} passed, {failed} failed, {} events", all.events);
        let _ = std::io::stdout().flush();
    }
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "\n{passed} passed, {failed} failed in {took_s:.1} s, {:.0} runs/s\n{all:?}",
        (passed + failed) as f64 / took_s
    );
    failed == 0
}

fn find_defects(seeds: u64) -> bool {
    let mut all = true;
    for planted in DEFECTS.iter().chain(OWNER_DEFECTS) {
        let mut defects = Defects::default();
        (planted.plant)(&mut defects);
        let Some(workload) = workload(planted.workload) else { return false };
        let found =
            (0..seeds).find_map(|seed| run(seed, workload, defects, false).failure.map(|failure| (seed + 1, failure)));
        match found {
            Some((count, failure)) => println!(
                "{:<7} {:<44} found after {count:>3} seeds of {}: {failure}",
                planted.label, planted.name, planted.workload
            ),
            None => {
                all = false;
                println!(
                    "{:<7} {:<44} NOT FOUND in {seeds} seeds of {}",
                    planted.label, planted.name, planted.workload
                );
            }
        }
    }
    all
}

/// Crashes of the head with replay: mostly few nodes, sometimes many.
fn crash_many(first: u64, seeds: u64) -> bool {
    let (mut events, mut count, mut refused, mut failed) = (0, 0, 0, 0);
    for seed in first..first + seeds {
        let outcome = crashes(seed, if seed % 50 == 49 { 40 } else { 1 + seed % 7 }, PlantedInDisk::default());
        events += outcome.events;
        count += outcome.crashes;
        refused += outcome.refused;
        if let Some(failure) = outcome.failure {
            failed += 1;
            println!("seed {seed}, head: {failure}");
        }
    }
    println!(
        "{seeds} seeds of head, {events} events, {count} crashes with replay, {refused} batches refused by a full disk, {failed} failed"
    );
    failed == 0
}

fn run_partitions(first: u64, seeds: u64) -> bool {
    let (mut events, mut given_up, mut lives, mut failed) = (0, 0, 0, 0);
    for seed in first..first + seeds {
        match partitions::run(seed, partitions::Planted::default()) {
            Ok(counts) => {
                events += counts.events;
                given_up += counts.given_up;
                lives += counts.lives;
            }
            Err(failure) => {
                failed += 1;
                println!("seed {seed}: {failure}");
            }
        }
    }
    println!("{seeds} seeds, {failed} failed, {events} events, {given_up} nodes given up, {lives} lives of actors");
    failed == 0
}

fn find_partition_defects(seeds: u64) -> bool {
    let mut all = true;
    for (label, name, planted) in partitions::DEFECTS {
        let found = (0..seeds).find_map(|seed| partitions::run(seed, planted).err().map(|failure| (seed + 1, failure)));
        all &= found.is_some();
        match found {
            Some((count, failure)) => {
                println!("{label:<7} {name:<44} found after {count:>3} seeds of partitions: {failure}")
            }
            None => println!("{label:<7} {name:<44} NOT FOUND in {seeds} seeds of partitions"),
        }
    }
    all
}
