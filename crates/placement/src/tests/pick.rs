//! The default choice, turns, bindings, labels, and why nobody will do.

use crate::tests::{Dice, id, node, set, with_free_cpus};
use crate::{ActorPlace, Demand, Labels, NodeState, Pick, Seat, View};
use trygon_ids::{NodeId, PlacementGroupId};
use trygon_resources::ResourceSet;

fn demand(entries: &[(&str, f64)]) -> Demand {
    Demand::parse(&set(entries))
}

fn pick_salted(view: &View, demand: &Demand, salt: u64) -> Option<NodeId> {
    let named = demand.named_amounts();
    view.pick(&Pick { demand, named: &named, salt, skip: &|_| false }).map(Seat::node)
}

fn pick(view: &View, entries: &[(&str, f64)]) -> Option<NodeId> {
    pick_salted(view, &demand(entries), 0)
}

#[test]
fn nodes_below_half_are_filled_before_the_emptiest_of_the_others() {
    let view = with_free_cpus(&[1.0, 3.0, 7.0, 2.0]);
    assert_eq!(pick(&view, &[("CPU", 1.0)]), Some(id(2)));
    let view = with_free_cpus(&[1.0, 3.0, 2.0]);
    assert_eq!(pick(&view, &[("CPU", 1.0)]), Some(id(1)));
    assert_eq!(pick(&view, &[("CPU", 4.0)]), None);
}

#[test]
fn what_was_asked_counts_as_taken_until_it_is_answered() {
    // VIEW-1
    let mut view = with_free_cpus(&[10.0]);
    view.ask(id(0), &set(&[("CPU", 4.0)]), 2);
    assert_eq!(pick(&view, &[("CPU", 4.0)]), None);
    view.set_free(id(0), set(&[("CPU", 9.0)]));
    assert_eq!(view.get(id(0)).expect("the node").available(), &set(&[("CPU", 1.0)]));
    view.answered(id(0), &set(&[("CPU", 4.0)]), 1);
    assert_eq!(pick(&view, &[("CPU", 4.0)]), Some(id(0)));
    view.granted(id(0), &set(&[("CPU", 4.0)]));
    assert_eq!(view.get(id(0)).expect("the node").available(), &set(&[("CPU", 5.0)]));
}

#[test]
fn nodes_that_are_gone_or_drain_are_not_picked() {
    // VIEW-2
    let mut view = with_free_cpus(&[10.0, 10.0]);
    view.put(crate::NodeState { is_draining: true, ..node(0, &[("CPU", 10.0)], &[("CPU", 10.0)]) });
    view.remove(id(1));
    assert_eq!(pick(&view, &[("CPU", 1.0)]), None);
    assert_eq!(pick(&view, &[]), None);
    assert!(view.is_gone(id(1)) && !view.is_gone(id(0)));
    view.put(node(0, &[("CPU", 10.0)], &[("CPU", 10.0)]));
    assert_eq!(pick(&view, &[("CPU", 1.0)]), Some(id(0)));
}

#[test]
fn what_needs_no_accelerator_keeps_away_from_one() {
    let mut view = with_free_cpus(&[2.0]);
    view.put(node(1, &[("CPU", 10.0), ("GPU", 1.0)], &[("CPU", 10.0), ("GPU", 1.0)]));
    assert_eq!(pick(&view, &[("CPU", 1.0)]), Some(id(0)));
    assert_eq!(pick(&view, &[("CPU", 3.0)]), Some(id(1)));
    assert_eq!(pick(&view, &[("CPU", 1.0), ("GPU", 1.0)]), Some(id(1)));
}

#[test]
fn different_askers_choose_different_nodes_among_equals() {
    let view = with_free_cpus(&[10.0; 20]);
    let one = demand(&[("CPU", 1.0)]);
    let chosen: std::collections::BTreeSet<_> = (0..100).filter_map(|salt| pick_salted(&view, &one, salt)).collect();
    assert!(chosen.len() >= 4, "{chosen:?}");
    assert_eq!(pick_salted(&view, &one, 5), pick_salted(&view, &one, 5));
}

#[test]
fn labels_alternatives_and_bindings_are_kept() {
    let view = with_free_cpus(&[10.0, 10.0, 1.0]);
    assert_eq!(pick(&view, &[("CPU", 1.0), ("labels:zone=c", 1.0)]), Some(id(2)));
    assert_eq!(pick(&view, &[("CPU", 2.0), ("labels:zone=c|zone=b", 1.0)]), Some(id(1)));
    assert_eq!(pick(&view, &[("CPU", 2.0), ("labels:zone=c", 1.0)]), None);
    assert_eq!(pick(&view, &[("CPU", 1.0), ("soft_labels:zone=c", 1.0)]), Some(id(2)));
    assert_eq!(pick(&view, &[("CPU", 2.0), ("soft_labels:zone=c", 1.0), ("labels:zone=!a", 1.0)]), Some(id(1)));
    let bound = format!("node_id:{}", id(2));
    assert_eq!(pick(&view, &[("CPU", 1.0), (bound.as_str(), 1.0)]), Some(id(2)));
    assert_eq!(pick(&view, &[("CPU", 2.0), (bound.as_str(), 1.0)]), None);
    let near = format!("near_node_id:{}", id(2));
    assert_eq!(pick(&view, &[("CPU", 1.0), (near.as_str(), 1.0)]), Some(id(2)));
    assert_ne!(pick(&view, &[("CPU", 2.0), (near.as_str(), 1.0)]), Some(id(2)));
}

/// Whatever the index leads to, a node that fits is found if there is one, and never one that does not.
#[test]
fn the_index_finds_what_a_walk_over_everything_finds() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut view = View::default();
        for step in 0..200 {
            let number = dice.below(120) as u32;
            let total = [("CPU", 8.0), ("GPU", [0.0, 0.0, 0.0, 2.0][dice.below(4) as usize]), ("memory", 16.0)];
            let free = total.map(|(name, amount)| (name, dice.below(amount as u64 + 1) as f64));
            match dice.below(8) {
                0 => {
                    view.remove(id(number));
                }
                1 => {
                    let total = view.get(id(number)).map(|seat| seat.state.total.clone()).unwrap_or_default();
                    let known = free.iter().filter(|(name, _)| !total.get(name).is_zero());
                    view.set_free(id(number), set(&known.copied().collect::<Vec<_>>()));
                }
                2 if view.get(id(number)).is_some_and(|seat| seat.pending().is_empty()) => {
                    view.ask(id(number), &set(&[("CPU", 1.0)]), 1);
                }
                3 => view.forget_asks(id(number)),
                _ => view.put(crate::NodeState { is_draining: step % 9 == 0, ..node(number, &total, &free) }),
            }
            let labels = ["labels:zone=a", "labels:zone=!a&zone=*", "labels:zone=in(a,c)|zone=b", "labels:"];
            let wanted = [
                ("CPU", dice.below(9) as f64),
                ("GPU", dice.below(3) as f64),
                ("memory", dice.below(17) as f64),
                (labels[dice.below(4) as usize], 1.0),
            ];
            let wanted = demand(&wanted[dice.below(3) as usize..]);
            let named = wanted.named_amounts();
            let query = Pick { demand: &wanted, named: &named, salt: seed, skip: &|_| false };
            let fits = |seat: &&Seat| view.fits(seat, &query);
            let found = view.pick(&query);
            assert_eq!(found.is_some(), view.iter().any(|seat| fits(&seat)), "{wanted:?}");
            assert!(found.is_none_or(|seat| fits(&seat)), "{wanted:?}");
            let in_turn = view.pick_in_turn(&query, 0).map(|(_, seat)| seat);
            assert_eq!(in_turn.is_some(), found.is_some());
            let could = |seat: &Seat| {
                seat.whole_room(&named, 1) > 0 && seat.has_labels(wanted.labels.as_deref()) && !seat.state.is_draining
            };
            assert_eq!(view.is_feasible(&wanted, &named), view.iter().any(could), "{wanted:?}");
        }
    }
}

#[test]
fn turns_go_round() {
    let view = with_free_cpus(&[5.0, 0.0, 5.0, 5.0]);
    let one = demand(&[("CPU", 1.0)]);
    let (mut from, mut order) = (0, Vec::new());
    for _ in 0..5 {
        let named = one.named_amounts();
        let query = Pick { demand: &one, named: &named, salt: 0, skip: &|_| false };
        let (place, seat) =
            view.pick_in_turn(&query, from).or_else(|| view.pick_in_turn(&query, 0)).expect("there is room");
        from = place + 1;
        order.push(seat.state.number);
    }
    assert_eq!(order, [0, 2, 3, 0, 2]);
}

#[test]
fn what_nobody_has_is_named() {
    let view = with_free_cpus(&[5.0, 5.0]);
    let why = |entries: &[(&str, f64)]| view.explain(&demand(entries), &[]);
    assert!(why(&[("CPU", 1.0), ("GPU", 1.0)]).contains("none of the 2 nodes has GPU"), "{}", why(&[("GPU", 1.0)]));
    assert!(why(&[("CPU", 11.0)]).contains("none of the 2 nodes has more CPU than 10"));
    let labels = why(&[("labels:zone=z", 1.0)]);
    assert!(labels.contains("zone=z") && labels.contains("zone=a, zone=b"), "{labels}");
    let (own, none): (ResourceSet, Labels) = (set(&[("GPU", 4.0)]), Labels::new());
    let together = view.explain(&demand(&[("CPU", 1.0), ("GPU", 4.0)]), &[(&own, &none)]);
    assert!(together.contains("which no one node has together"), "{together}");
}

#[test]
fn each_node_is_judged() {
    let mut view = View::default();
    view.put(node(0, &[("CPU", 10.0)], &[("CPU", 0.0)]));
    view.put(node(1, &[("CPU", 2.0), ("GPU", 1.0)], &[("CPU", 2.0), ("GPU", 1.0)]));
    let judged = |entries: &[(&str, f64)]| -> Vec<String> {
        view.judge(&demand(entries), &[]).into_iter().map(|(_, verdict)| verdict).collect()
    };
    assert_eq!(judged(&[("CPU", 1.0)]), ["is full: 0 of 10 CPU are free", "has room"]);
    assert_eq!(judged(&[("CPU", 4.0), ("GPU", 1.0)]), ["cannot: it has no GPU", "cannot: it has 2 CPU in all"]);
    let labels = judged(&[("CPU", 1.0), ("labels:zone=b", 1.0)]);
    assert_eq!(labels, ["cannot: it has not the labels zone=b", "has room"]);
    let bound = view.judge(&demand(&[("CPU", 1.0), (&format!("node_id:{}", id(1)), 1.0)]), &[]);
    assert_eq!(bound, [(id(1), "has room".to_owned())]);
    let group = PlacementGroupId::new([5; PlacementGroupId::LEN]);
    let part = format!("CPU_group_0_{group}");
    assert_eq!(judged(&[(&part, 1.0)]), ["has no such bundle", "has no such bundle"]);
    let draining = NodeState { is_draining: true, ..node(9, &[("CPU", 1.0)], &[("CPU", 1.0)]) };
    let alone = View::default().judge(&demand(&[("CPU", 1.0)]), &[draining]);
    assert_eq!(alone, [(id(9), "takes no new work: it is drained".to_owned())]);
}

#[test]
fn actors_stay_at_home_until_it_is_half_full() {
    let mut turn = 0;
    let mut place =
        |view: &View, entries: &[(&str, f64)]| view.pick_for_actor(&demand(entries), Some(id(1)), &mut turn, 3);
    let view = with_free_cpus(&[10.0, 6.0, 10.0]);
    assert_eq!(place(&view, &[("CPU", 1.0)]), ActorPlace::On(id(1)));
    let view = with_free_cpus(&[10.0, 5.0, 4.0]);
    assert_eq!(place(&view, &[("CPU", 1.0)]), ActorPlace::On(id(0)));
    let view = with_free_cpus(&[0.0, 0.0, 0.0]);
    assert!(matches!(place(&view, &[("CPU", 1.0)]), ActorPlace::WaitsOn(_)));
    let never = place(&view, &[("CPU", 11.0)]);
    assert!(matches!(&never, ActorPlace::Waits(why) if why.contains("more CPU than 10")), "{never:?}");
    let bound = |number: u32| format!("node_id:{}", id(number));
    assert_eq!(place(&view, &[("CPU", 1.0), (bound(2).as_str(), 1.0)]), ActorPlace::WaitsOn(id(2)));
    assert!(matches!(place(&view, &[("CPU", 1.0), (bound(9).as_str(), 1.0)]), ActorPlace::Never(_)));
    assert!(matches!(place(&view, &[("CPU", 11.0), (bound(2).as_str(), 1.0)]), ActorPlace::Never(_)));
    let soft = |number: u32| format!("soft_node_id:{}", id(number));
    assert_eq!(place(&view, &[("CPU", 1.0), (soft(2).as_str(), 1.0)]), ActorPlace::WaitsOn(id(2)));
    let view = with_free_cpus(&[5.0, 0.0, 0.0]);
    assert_eq!(place(&view, &[("CPU", 1.0), (soft(9).as_str(), 1.0)]), ActorPlace::On(id(0)));
}

#[test]
fn spread_actors_take_turns() {
    let view = with_free_cpus(&[10.0, 10.0, 10.0]);
    let mut turn = 0;
    let spread = demand(&[("CPU", 1.0), ("strategy:SPREAD", 1.0)]);
    let nodes: Vec<_> = (0..4).map(|_| view.pick_for_actor(&spread, Some(id(1)), &mut turn, 0)).collect();
    assert_eq!(nodes, [0, 1, 2, 0].map(|number| ActorPlace::On(id(number))));
}

#[test]
fn parts_of_groups_are_found_by_their_names() {
    let group = trygon_ids::PlacementGroupId::new([3; 18]);
    let mut view = with_free_cpus(&[10.0, 10.0]);
    let name = crate::group_name("CPU", &group, Some(4));
    view.put(node(9, &[("CPU", 10.0), (name.as_str(), 2.0)], &[(name.as_str(), 2.0)]));
    assert_eq!(pick(&view, &[(name.as_str(), 2.0)]), Some(id(9)));
    assert_eq!(pick(&view, &[(name.as_str(), 3.0)]), None);
}
