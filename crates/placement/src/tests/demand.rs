//! Names are taken apart, and put together again.

use crate::tests::set;
use crate::{Demand, GroupPart, group_name};
use trygon_ids::PlacementGroupId;

#[test]
fn names_say_where_amounts_come_from() {
    let id = PlacementGroupId::new([0xab; 18]);
    let any = group_name("CPU", &id, None);
    let one = group_name("my_group_of_things", &id, Some(3));
    let demand = Demand::parse(&set(&[(any.as_str(), 2.0)]));
    assert_eq!(demand.amounts, set(&[("CPU", 2.0)]));
    assert_eq!(demand.part, Some(GroupPart { group: id, bundle: None }));
    let capture = group_name("capture", &id, None);
    let demand = Demand::parse(&set(&[(one.as_str(), 1.5), ("node_id:ff", 1.0), (capture.as_str(), 1.0)]));
    assert_eq!(demand.amounts, set(&[("my_group_of_things", 1.5)]));
    assert_eq!(demand.part, Some(GroupPart { group: id, bundle: Some(3) }));
    assert_eq!(demand.node.as_deref(), Some("ff"));
}

#[test]
fn names_that_only_look_like_a_group_are_plain() {
    for name in ["CPU_group_", "a_group_12", "x_group_y_00", "CPU_group_1_"] {
        assert_eq!(Demand::parse(&set(&[(name, 1.0)])), Demand::plain(set(&[(name, 1.0)])), "{name}");
    }
}
