//! PACK-1: what is found is right, and what could be found is.

use crate::tests::{Dice, id, node, set, with_free_cpus};
use crate::{PackFailure, PackRequest, Strategy, View};
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

const STRATEGIES: [Strategy; 4] = [Strategy::Pack, Strategy::Spread, Strategy::StrictPack, Strategy::StrictSpread];

fn pack(view: &View, bundles: &[ResourceSet], strategy: Strategy) -> Result<Vec<NodeId>, PackFailure> {
    view.pack_bundles(PackRequest { bundles, strategy, labels: &[], taken: &[], target: None })
}

fn distinct(nodes: &[NodeId]) -> usize {
    nodes.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Whether the bundles fit where they were put.
fn is_right(view: &View, bundles: &[ResourceSet], nodes: &[NodeId], strategy: Strategy) -> bool {
    let mut sums: std::collections::BTreeMap<NodeId, ResourceSet> = std::collections::BTreeMap::new();
    for (bundle, node) in bundles.iter().zip(nodes) {
        sums.entry(*node).or_default().add(bundle);
    }
    let fit = sums.iter().all(|(node, sum)| view.get(*node).is_some_and(|seat| seat.available().covers(sum)));
    fit && match strategy {
        Strategy::StrictPack => sums.len() == 1,
        Strategy::StrictSpread => sums.len() == bundles.len(),
        _ => true,
    }
}

/// Every way to place the bundles, tried.
fn solutions(view: &View, bundles: &[ResourceSet], strategy: Strategy) -> Vec<Vec<NodeId>> {
    let nodes: Vec<NodeId> = view.iter().map(|seat| seat.node()).collect();
    let ways = nodes.len().pow(bundles.len() as u32);
    let way = |number: usize| {
        (0..bundles.len()).map(|place| nodes[number / nodes.len().pow(place as u32) % nodes.len()]).collect::<Vec<_>>()
    };
    (0..ways).map(way).filter(|way| is_right(view, bundles, way, strategy)).collect()
}

#[test]
fn small_cases_agree_with_trying_everything() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut view = View::default();
        for number in 0..1 + dice.below(4) as u32 {
            let free = [("CPU", dice.below(6) as f64), ("GPU", dice.below(3) as f64)];
            view.put(node(number, &[("CPU", 6.0), ("GPU", 2.0)], &free));
        }
        let bundle = |dice: &mut Dice| set(&[("CPU", 1.0 + dice.below(3) as f64), ("GPU", dice.below(2) as f64)]);
        let bundles: Vec<ResourceSet> = (0..1 + dice.below(4)).map(|_| bundle(&mut dice)).collect();
        for strategy in STRATEGIES {
            let all = solutions(&view, &bundles, strategy);
            match pack(&view, &bundles, strategy) {
                Ok(nodes) => {
                    assert!(is_right(&view, &bundles, &nodes, strategy), "seed {seed}, {strategy:?}: {nodes:?}");
                    let counts = all.iter().map(|way| distinct(way));
                    if strategy == Strategy::Spread && counts.clone().max() == Some(bundles.len()) {
                        assert_eq!(distinct(&nodes), bundles.len(), "seed {seed}");
                    }
                    if strategy == Strategy::Pack && counts.min() == Some(1) {
                        assert_eq!(distinct(&nodes), 1, "seed {seed}");
                    }
                }
                Err(_) => assert_eq!(all, Vec::<Vec<NodeId>>::new(), "seed {seed}, {strategy:?}, {bundles:?}"),
            }
        }
    }
}

#[test]
fn what_fits_later_waits_and_what_never_fits_says_why() {
    let view = with_free_cpus(&[1.0, 1.0]);
    let of = |count: usize, cpus: f64| vec![set(&[("CPU", cpus)]); count];
    assert_eq!(pack(&view, &of(2, 5.0), Strategy::StrictPack), Err(PackFailure::Waits));
    let never = |bundles: &[ResourceSet], strategy| match pack(&view, bundles, strategy) {
        Err(PackFailure::Never(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(never(&of(3, 5.0), Strategy::StrictPack).contains("STRICT_PACK"));
    assert!(never(&of(3, 1.0), Strategy::StrictSpread).contains("STRICT_SPREAD"));
    assert!(never(&of(3, 9.0), Strategy::Pack).contains("3 bundles"));
    assert!(never(&of(1, 11.0), Strategy::Pack).contains("bundle 0 needs CPU: 11"));
}

#[test]
fn labels_taken_nodes_and_the_target_are_heard() {
    let view = with_free_cpus(&[10.0, 10.0, 10.0, 10.0]);
    let bundles = vec![set(&[("CPU", 1.0)]); 2];
    let base = PackRequest { bundles: &bundles, strategy: Strategy::Pack, labels: &[], taken: &[], target: None };
    let labels = [Some("zone=b".to_owned()), Some("zone=c".to_owned())];
    assert_eq!(view.pack_bundles(PackRequest { labels: &labels, ..base }), Ok(vec![id(1), id(2)]));
    let one = [Some("zone=c".to_owned())];
    assert_eq!(view.pack_bundles(PackRequest { labels: &one, ..base }), Ok(vec![id(2), id(2)]));
    let strict = PackRequest { strategy: Strategy::StrictPack, ..base };
    assert_eq!(view.pack_bundles(PackRequest { target: Some(id(3)), ..strict }), Ok(vec![id(3), id(3)]));
    assert_eq!(view.pack_bundles(PackRequest { taken: &[id(1)], ..strict }), Ok(vec![id(1), id(1)]));
    let apart = PackRequest { strategy: Strategy::StrictSpread, taken: &[id(0), id(3)], ..base };
    let mut nodes = view.pack_bundles(apart).expect("two are left");
    nodes.sort();
    assert_eq!(nodes, [id(1), id(2)]);
    let refused = view.pack_bundles(PackRequest { taken: &[id(0), id(1), id(2)], ..apart });
    assert!(matches!(refused, Err(PackFailure::Never(_))), "{refused:?}");
}

#[test]
fn a_hundred_bundles_find_their_places_among_ten_thousand_nodes() {
    let mut view = View::default();
    for number in 0..10_000 {
        view.put(node(number, &[("CPU", 4.0)], &[("CPU", f64::from(number % 5))]));
    }
    let bundles = vec![set(&[("CPU", 3.0)]); 100];
    for (strategy, wanted) in [(Strategy::StrictSpread, 100), (Strategy::Spread, 100), (Strategy::Pack, 100)] {
        let nodes = pack(&view, &bundles, strategy).expect("there is room");
        assert!(is_right(&view, &bundles, &nodes, strategy));
        assert_eq!(distinct(&nodes), wanted);
    }
}
