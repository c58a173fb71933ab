//! Placement groups over several nodes.

use super::{Cluster, Reply, Request, ToNode, Told, commits, group, node, prepares, releases};
use std::collections::BTreeSet;
use trygon_ids::NodeId;
use trygon_proto::control::CreatePlacementGroup;
use trygon_proto::v1::{GroupNews, ToProcess};

const ONE: &[(&str, f64)] = &[("CPU", 1.0)];

fn news(out: &Told, of: u8) -> Vec<GroupNews> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::GroupNews(news) if *to == node(of) => Some(news.clone()),
            _ => None,
        })
        .collect()
}

fn number(node: NodeId) -> u8 {
    node.as_bytes()[0]
}

/// Answers everything that was asked, until nothing more is.
fn agree(cluster: &mut Cluster, number_of_group: u8, mut out: Told) -> Told {
    let mut all = Told::new();
    loop {
        let asked = prepares(&out);
        all.append(&mut out);
        if asked.is_empty() {
            return all;
        }
        for (to, attempt, _) in asked {
            out.extend(cluster.prepared(number(to), number_of_group, attempt, true));
        }
    }
}

/// GROUP-4.
#[test]
fn a_group_is_created_when_all_nodes_hold_their_bundles() {
    let mut cluster = Cluster::new();
    (1..=4).for_each(|number| _ = cluster.join(number, &[("CPU", 2.0)]));
    let out = cluster.group(1, 9, "SPREAD", &[ONE, ONE, ONE]);
    let asked = prepares(&out);
    assert_eq!(asked.iter().map(|(to, ..)| *to).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(news(&out, 1)[0].state, "pending");
    for (to, attempt, _) in &asked[..2] {
        assert!(cluster.prepared(number(*to), 9, *attempt, true).is_empty());
    }
    let out = cluster.prepared(number(asked[2].0), 9, 1, true);
    assert_eq!(commits(&out).len(), 3);
    let told = news(&out, 1).pop().expect("the creator's node hears of it");
    assert_eq!((told.state.as_str(), told.bundle_nodes.len()), ("created", 3));
    for (to, _, indices) in asked {
        assert_eq!(told.bundle_nodes[indices[0] as usize], to.as_bytes().to_vec());
        assert!(!news(&out, number(to)).is_empty(), "who holds a bundle hears of it");
    }
    let out = cluster.remove_group(1, 9);
    assert_eq!(releases(&out).len(), 3);
    assert!(releases(&out).iter().all(|(_, attempt)| *attempt == 0));
}

/// GROUP-5.
#[test]
fn when_one_node_says_no_the_others_give_back_and_another_attempt_is_made() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    let out = cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE]);
    let asked = prepares(&out);
    let (yes, no) = (number(asked[0].0), number(asked[1].0));
    cluster.prepared(yes, 9, 1, true);
    let out = cluster.prepared(no, 9, 1, false);
    assert_eq!(releases(&out), [(node(yes), 1)]);
    let again = prepares(&out);
    assert!(again.iter().all(|(to, attempt, _)| *to != node(no) && *attempt == 2), "{again:?}");
    assert_eq!(again.len(), 2);
    // A late answer of the first attempt.
    assert_eq!(releases(&cluster.prepared(yes, 9, 1, true)), [(node(yes), 1)]);
    let out = agree(&mut cluster, 9, out);
    assert_eq!(commits(&out).len(), 2);
}

#[test]
fn a_group_waits_for_room_and_hears_of_it_from_a_report() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    cluster.load(2, &[]);
    assert!(prepares(&cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE])).is_empty());
    assert!(cluster.wait(1_000_000).iter().all(|(_, body)| !matches!(body, ToNode::PrepareBundles(_))));
    assert!(prepares(&cluster.load(2, &[("CPU", 1.0)])).is_empty());
    let out = cluster.wait(10_000);
    assert_eq!(prepares(&out).len(), 2);
    // A node whose report was wrong is believed again after a while.
    let out = cluster.prepared(2, 9, 1, false);
    assert_eq!((releases(&out), prepares(&out)), (vec![(node(1), 1)], vec![]));
    let out = cluster.wait(300_000);
    assert_eq!(prepares(&out).iter().map(|(_, attempt, _)| *attempt).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn groups_that_want_the_same_do_not_hold_one_another_up() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    let first = cluster.group(1, 8, "STRICT_SPREAD", &[ONE, ONE]);
    let second = cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE]);
    assert_eq!((prepares(&first).len(), prepares(&second).len()), (2, 0), "no half of each");
    agree(&mut cluster, 8, first);
    cluster.load(1, &[]);
    cluster.load(2, &[]);
    cluster.remove_group(1, 8);
    cluster.load(1, &[("CPU", 1.0)]);
    cluster.load(2, &[("CPU", 1.0)]);
    let out = cluster.wait(10_000);
    assert_eq!(prepares(&out).len(), 2);
}

#[test]
fn a_group_that_is_removed_while_it_is_asked_for_leaves_nothing() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE]);
    cluster.prepared(1, 9, 1, true);
    assert_eq!(releases(&cluster.remove_group(1, 9)), [(node(1), 0), (node(2), 0)]);
    let out = cluster.prepared(2, 9, 1, true);
    assert_eq!((releases(&out), commits(&out)), (vec![(node(2), 1)], vec![]));
}

/// GROUP-6.
#[test]
fn bundles_of_a_dead_node_are_placed_again_and_the_others_stay() {
    let mut cluster = Cluster::new();
    (1..=4).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    let out = cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE, ONE]);
    let asked = prepares(&out);
    let used: BTreeSet<NodeId> = asked.iter().map(|(to, ..)| *to).collect();
    agree(&mut cluster, 9, out);
    let (lost, _, indices) = asked.iter().find(|(to, ..)| *to != node(1)).expect("another node").clone();
    let out = cluster.lose(number(lost));
    let again = prepares(&out);
    assert_eq!(again.len(), 1);
    assert!(!used.contains(&again[0].0), "STRICT_SPREAD: not where the others are");
    assert_eq!((again[0].1, &again[0].2), (2, &indices), "it keeps its place in the group");
    assert!(releases(&out).is_empty());
    let told = news(&out, 1).pop().expect("news");
    assert_eq!((told.state.as_str(), told.bundle_nodes.iter().filter(|node| node.is_empty()).count()), ("pending", 1));
    let out = agree(&mut cluster, 9, out);
    assert_eq!(commits(&out), [(again[0].0, 2)]);
    assert_eq!(news(&out, 1).pop().expect("news").state, "created");
    assert_eq!(releases(&cluster.remove_group(1, 9)).len(), 3);
}

#[test]
fn a_node_that_dies_or_drains_in_between_is_left_out() {
    for drains in [false, true] {
        let mut cluster = Cluster::new();
        (1..=3).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
        let asked = prepares(&cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE]));
        let gone = asked.iter().map(|(to, ..)| *to).find(|to| *to != node(1)).expect("another node");
        let stays = asked.iter().map(|(to, ..)| *to).find(|to| *to != gone).expect("another node");
        let out = if drains {
            let node_id = gone.as_bytes().to_vec();
            let drain = trygon_proto::v1::DrainNode { node_id, reason: String::new(), deadline_ms: 0 };
            cluster.tell(1, super::Body::Drain(drain))
        } else {
            cluster.lose(number(gone))
        };
        assert!(releases(&out).contains(&(stays, 1)), "drains: {drains}");
        let again = prepares(&out);
        assert_eq!(again.len(), 2, "drains: {drains}");
        assert!(again.iter().all(|(to, attempt, _)| *to != gone && *attempt == 2), "drains: {drains}");
    }
}

#[test]
fn what_can_never_be_placed_says_so() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    assert!(prepares(&cluster.group(1, 9, "STRICT_SPREAD", &[ONE, ONE, ONE])).is_empty());
    let entry = cluster.head.groups.get(group(9)).expect("a group");
    assert_eq!(entry.scheduling_state(), "INFEASIBLE");
    assert!(entry.waits().contains("STRICT_SPREAD"), "{}", entry.waits());
    assert_eq!(prepares(&cluster.join(3, &[("CPU", 1.0)])).len() + prepares(&cluster.wait(10_000)).len(), 3);
}

#[test]
fn a_group_of_nothing_is_refused() {
    let mut cluster = Cluster::new();
    cluster.join(1, ONE);
    let group_id = group(1).as_bytes().to_vec();
    let create = CreatePlacementGroup { request_id: 3, group_id, ..CreatePlacementGroup::default() };
    let out = cluster.ask(1, 1, Request::CreateGroup(create));
    let refused = |(_, body): &(NodeId, ToNode)| match body {
        ToNode::ToProcess(ToProcess { reply: Some(Reply::GroupReply(reply)), .. }) => Some(reply.error.clone()),
        _ => None,
    };
    assert_eq!(out.iter().find_map(refused).as_deref(), Some("a placement group needs at least one bundle"));
    assert!(cluster.head.groups.get(group(1)).is_none());
}
