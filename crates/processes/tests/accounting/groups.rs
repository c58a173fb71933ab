//! The ways by control groups. They run where such a group may be written to; where not, each test says so, unless it must not be missed.

use crate::conforms;
use crate::worker::{MARK, MIB, Worker, assert_near, used};
use std::path::{Path, PathBuf};
use trygon_processes::{CgroupV1, CgroupV2, GroupsOrSampling, MachineMemory, MemoryAccounting, Sampling};

/// "required" where the tests of version 2 have to run.
const REQUIRED: &str = "TRYGON_TEST_CGROUP_V2";
/// A group that this process may write to and that no process may be moved into.
const FORBIDDEN: &str = "TRYGON_TEST_CGROUP_V2_FORBIDDEN";
/// Where processes are that were in the group itself.
const REST: &str = "trygon-rest";

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

/// A group of version 2 with the memory controller that may be written to.
fn version_2() -> Option<PathBuf> {
    let mut tried = Vec::new();
    for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let own = own_group(|number, names| number == "0" && names.is_empty(), mount);
        // An earlier test may have moved this process.
        let given = own.iter().flat_map(|own| own.ancestors()).find(|folder| !folder.ends_with(REST));
        match given.map(|group| (group, CgroupV2::below(group))) {
            Some((group, Ok(_))) => return Some(group.to_owned()),
            other => tried.push(format!("{mount}: {other:?}")),
        }
    }
    assert!(std::env::var_os(REQUIRED).is_none(), "{tried:?}");
    println!("not run: no group of version 2 with the memory controller that may be written to: {tried:?}");
    None
}

/// The text of a group's file.
fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name} of {}: {error}", folder.display()))
}

#[test]
fn cgroup_v2_conforms() {
    if let Some(group) = version_2() {
        conforms(&mut CgroupV2::below(&group).expect("a group"));
        assert_eq!(left_in(&group), Vec::<PathBuf>::new());
    }
}

/// The groups of workers, and of processes that have workers.
fn left_in(group: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(group).expect("a group").flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.is_dir() && path.to_string_lossy().contains("/trygon-") && !path.ends_with(REST))
        .collect()
}

/// Whoever is in the group itself keeps it from giving the controller on.
#[test]
fn cgroup_v2_moves_the_processes_of_the_group_itself() {
    let Some(given) = version_2() else { return };
    let _keeps_the_controller = CgroupV2::below(&given).expect("a group");
    let group = given.join("full");
    std::fs::create_dir(&group).expect("a group");
    let mut inside = [Worker::start(), Worker::start()];
    for worker in &inside {
        std::fs::write(group.join("cgroup.procs"), worker.pid().as_raw_nonzero().to_string()).expect("a group");
    }
    let mut accounting = CgroupV2::below(&group).expect("a group");
    assert_eq!(text(&group, "cgroup.procs"), "");
    assert_eq!(text(&group.join(REST), "cgroup.procs").lines().count(), 2);
    // They are workers like others.
    accounting.watch(inside[0].pid()).expect("it lives");
    inside[0].tell("private 50");
    assert_near(used(&mut accounting, &inside[0], u64::MAX), 50 * MIB, "one of those");
    accounting.forget(inside[0].pid());
    drop(inside);
    drop(accounting);
    std::fs::remove_dir(&group).expect("nothing is left in it");
}

#[test]
fn cgroup_v2_says_what_is_missing() {
    let Some(given) = version_2() else { return };
    let _keeps_the_controller = CgroupV2::below(&given).expect("a group");
    let (outer, inner) = (given.join("outer"), given.join("outer/inner"));
    std::fs::create_dir_all(&inner).expect("groups");
    let error = CgroupV2::below(&inner).expect_err("its parent gives nothing on").to_string();
    assert!(error.contains("has no memory controller") && error.contains("cgroup.subtree_control"), "{error}");
    std::fs::remove_dir(&inner).expect("a group");
    std::fs::remove_dir(&outer).expect("a group");
    let error = CgroupV2::below(Path::new("/proc")).expect_err("no group").to_string();
    assert!(error.contains("/proc is no group of version 2"), "{error}");
}

/// A page that was written to the device and read back is in both places, and counts once.
#[test]
fn cgroup_v2_counts_swapped_pages_once() {
    let Some(given) = version_2() else { return };
    let mut accounting = CgroupV2::below(&given).expect("a group");
    let mut worker = Worker::start();
    accounting.watch(worker.pid()).expect("it lives");
    let number = worker.pid().as_raw_nonzero();
    let group = given.join(format!("trygon-{}/{number}", std::process::id()));
    worker.tell("private 100");
    // A page of one process alone is taken from the device without a copy that stays there.
    worker.tell("fork 0");
    let before = used(&mut accounting, &worker, u64::MAX);
    assert_near(before, 100 * MIB, "what it wrote");
    let swap = |group: &Path| text(group, "memory.swap.current").trim().parse::<u64>().unwrap_or(0);
    // Less than that is an error, after it has done what it could.
    let _ = std::fs::write(group.join("memory.reclaim"), (80 * MIB).to_string());
    if swap(&group) < 40 * MIB {
        assert!(std::env::var_os(REQUIRED).is_none(), "nothing is swapped: {}", text(&group, "memory.stat"));
        println!("not run: this machine swaps nothing");
        return;
    }
    assert_near(used(&mut accounting, &worker, u64::MAX), 100 * MIB, "on the device");
    worker.tell("read 0");
    let stat = text(&group, "memory.stat");
    println!("{} bytes on the device; {stat}", swap(&group));
    assert_near(used(&mut accounting, &worker, u64::MAX), 100 * MIB, "read back");
    accounting.end(worker.pid());
    let _ = worker.child.wait();
}

/// The limit of the group that this process is in is the machine's end for it.
#[test]
fn the_limit_of_the_own_group_is_found() {
    let Some(given) = version_2() else { return };
    let _keeps_the_controller = CgroupV2::below(&given).expect("a group");
    let home = own_group(|number, _| number == "0", "/sys/fs/cgroup").expect("a group");
    let limited = given.join("limited");
    std::fs::create_dir(&limited).expect("a group");
    std::fs::write(limited.join("memory.max"), (700 * MIB).to_string()).expect("its limit");
    let own = std::process::id().to_string();
    std::fs::write(limited.join("cgroup.procs"), &own).expect("a group");
    let kept = std::hint::black_box(vec![1u8; 50 << 20]);
    let found = MachineMemory::find().read();
    drop(kept);
    std::fs::write(home.join("cgroup.procs"), &own).expect("the way back");
    std::fs::remove_dir(&limited).expect("nothing is left in it");
    let found = found.expect("a machine");
    assert_eq!(found.capacity_bytes, 700 * MIB);
    assert!((50 * MIB..200 * MIB).contains(&found.used_bytes), "{found:?}");
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
    std::fs::write(group.join("memory.stat"), "anon 1000\nfile 500\nshmem 70\ninactive_file 9\nswapcached 3\n")
        .expect("a file");
    std::fs::write(group.join("memory.swap.current"), "5\n").expect("a file");
    assert_eq!(accounting.measure(own, 0).map(|measured| (measured.used_bytes, measured.processes)), Some((1072, 1)));
    let _ = std::fs::remove_dir_all(&folder);
}

/// A process that was killed leaves its groups behind; the next one removes them, and none that is in use.
#[test]
fn groups_of_the_killed_are_removed() {
    let scratch = std::env::temp_dir().join(format!("cgroup-killed-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a folder");
    std::fs::write(scratch.join("cgroup.controllers"), "memory").expect("a file");
    for given in [Some(scratch.clone()), version_2()].into_iter().flatten() {
        for left in ["trygon-4194301/17", "trygon-4194301-2/18", "others-4194301", "trygon-7x"] {
            std::fs::create_dir_all(given.join(left)).expect("a group");
        }
        let first = CgroupV2::below(&given).expect("a group");
        assert!(!given.join("trygon-4194301").exists() && !given.join("trygon-4194301-2").exists());
        // Another one, which has the same number, as in another container.
        let second = CgroupV2::below(&given).expect("a group");
        let own = given.join(format!("trygon-{}", std::process::id()));
        let other = given.join(format!("trygon-{}-1", std::process::id()));
        assert!(own.exists() && other.exists(), "both are in use");
        for other in ["others-4194301", "trygon-7x"] {
            std::fs::remove_dir(given.join(other)).expect("it is nobody's here");
        }
        if given != scratch {
            drop((first, second));
            assert!(!own.exists() && !other.exists(), "both are gone");
        }
    }
    let _ = std::fs::remove_dir_all(&scratch);
}

/// Groups that can be made and that no worker can be moved into: the limit holds all the same.
#[test]
fn without_a_group_a_worker_is_sampled() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
    let folder = std::env::temp_dir().join(format!("cgroup-none-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("cgroup.controllers"), "memory\n").expect("a file");
    let groups = CgroupV2::below(&folder).expect("a group");
    std::fs::remove_dir_all(&folder).expect("a folder");
    let mut accounting = GroupsOrSampling::new(Box::new(groups), Sampling::with_mark(MARK));
    conforms(&mut accounting);
    let complaint = accounting.complaint().expect("that it is so is said");
    assert!(complaint.contains("cannot be moved into a cgroup v2 of its own"), "{complaint}");
    assert_eq!(accounting.complaint(), None, "once");
}

/// The same by the kernel's own word: this process lies outside of the groups that it was given.
#[test]
fn a_group_that_may_not_be_entered_is_said() {
    let Some(given) = std::env::var_os(FORBIDDEN) else {
        println!("not run: {FORBIDDEN} names no such group");
        return;
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
    let groups = CgroupV2::below(Path::new(&given)).expect("a group");
    let mut accounting = GroupsOrSampling::new(Box::new(groups), Sampling::with_mark(MARK));
    conforms(&mut accounting);
    let complaint = accounting.complaint().expect("that it is so is said");
    assert!(complaint.contains("Permission denied"), "{complaint}");
}
