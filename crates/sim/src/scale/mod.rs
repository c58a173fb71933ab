//! A cluster of any size in one process: the head and its nodes, their real deciding code, with messages that arrive at once.
//!
//! Measures what the head takes. Nodes beyond the first few are not told of one another, because ten thousand views of ten thousand nodes
//! do not fit into one machine's memory; the head makes these messages all the same.

pub(crate) mod answers;
mod cluster;
mod nodes;

use cluster::{Cluster, cpu_s};
use std::time::Instant;

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Nodes of 16 CPUs.
    pub nodes: usize,
    /// Actors that are created.
    pub actors: usize,
    /// Placement groups of four bundles.
    pub groups: usize,
    /// Tasks that wait when every CPU is in use.
    pub tasks: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { nodes: 1_000, actors: 100_000, groups: 10_000, tasks: 100_000 }
    }
}

/// Runs everything and prints figures. False when something is not as it should be.
pub fn run(size: Size) -> bool {
    println!(
        "{} nodes of 16 CPUs; processor seconds of the head alone and of everything, and wall seconds of everything",
        size.nodes
    );
    let mut cluster = Cluster::new(size.nodes);
    let mut passed = true;
    passed &= phase(&mut cluster, "nodes registered", size.nodes, |cluster| {
        cluster.register_all();
        cluster.alive() == size.nodes
    });
    passed &= phase(&mut cluster, "views told until all know all of 256", 1, |cluster| {
        cluster.pass(2_000_000);
        true
    });
    passed &= phase(&mut cluster, "actors created", size.actors, |cluster| {
        cluster.create_actors(size.actors);
        cluster.started() == size.actors
    });
    passed &= phase(&mut cluster, "groups created", size.groups, |cluster| {
        cluster.create_groups(size.groups);
        cluster.created_groups() == size.groups
    });
    passed &= phase(&mut cluster, "groups removed", size.groups, |cluster| {
        cluster.remove_groups(size.groups);
        cluster.created_groups() == 0
    });
    passed &= phase(&mut cluster, "groups created and removed one by one", size.groups, |cluster| {
        cluster.create_and_remove_groups(size.groups);
        cluster.created_groups() == 0
    });
    passed &= phase(&mut cluster, "tasks asked for", size.nodes * 16 + size.tasks, |cluster| {
        cluster.ask_for_tasks(size.tasks);
        cluster.waiting() >= size.tasks
    });
    passed &= phase(&mut cluster, "`demand` answered", 1, |cluster| cluster.ask_demand().contains("\"tasks\""));
    passed &= phase(&mut cluster, "actors that wait, and one node that gets room", 1_000, |cluster| {
        cluster.create_waiting_actors(1_000)
    });
    passed &= phase(&mut cluster, "nodes lost", 10, |cluster| {
        cluster.lose_nodes(10);
        cluster.alive() == size.nodes - 10
    });
    passed &= phase(&mut cluster, "snapshot and restart", 1, |cluster| cluster.restart_head());
    if let Err(broken) = if size.actors <= 100_000 { cluster.check() } else { Ok(()) } {
        println!("{broken}");
        passed = false;
    }
    let (messages, told, views) = cluster.counts();
    println!("{messages} messages to the head, {told} from it, with {views} descriptions of nodes");
    println!("peak memory of the whole simulation {} MiB", peak_mib());
    passed
}

fn phase(cluster: &mut Cluster, name: &str, count: usize, act: impl FnOnce(&mut Cluster) -> bool) -> bool {
    let (began, began_s, before_s, messages) = (Instant::now(), cpu_s(), cluster.head_s(), cluster.counts().0);
    let is_right = act(cluster);
    let (wall_s, all_s, head_s) = (began.elapsed().as_secs_f64(), cpu_s() - began_s, cluster.head_s() - before_s);
    let decided = cluster.counts().0 - messages;
    println!(
        "{name:<46} {count:>8}  head {head_s:>8.3} s  {:>10.0}/s  {:>7.1} us each  {decided:>9} messages  all {all_s:>8.3} s, wall {wall_s:>8.3} s  {}",
        count as f64 / head_s.max(1e-9),
        head_s * 1e6 / count as f64,
        if is_right { "" } else { "WRONG" }
    );
    is_right
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
