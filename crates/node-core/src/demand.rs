//! What a request needs: amounts, and where they may come from. On the wire all of it is names and amounts, so that it is part of the
//! lease's key without further ado; here it is taken apart.
//!
//! - `CPU_group_<id>` and `CPU_group_<bundle>_<id>`: that much CPU of any bundle of a placement group, or of this bundle;
//! - `bundle_group_…`: a little of this is taken by everything in a group, so that what needs nothing else is in it too;
//! - `node_id:<id>`: on this node or nowhere;
//! - `labels:<selectors>`: on a node with such labels (see `labels.rs`);
//! - `capture_group_<id>`: says something to the worker, and nothing here.

use trygon_ids::PlacementGroupId;
use trygon_resources::{Amount, ResourceSet};

/// Where the part of a name begins that names a group.
const GROUP: &str = "_group_";
/// The name for "on this node".
const NODE: &str = "node_id:";
/// The name for "on a node with these labels".
const LABELS: &str = "labels:";
/// The name whose only reader is the worker.
const CAPTURE: &str = "capture";
/// What everything in a group takes a little of.
pub(crate) const MARKER: &str = "bundle";

/// The part of a placement group that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupPart {
    /// The group.
    pub(crate) group: PlacementGroupId,
    /// One bundle of it; `None` for any.
    pub(crate) bundle: Option<u32>,
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Demand {
    /// How much of what.
    pub(crate) amounts: ResourceSet,
    /// Out of a placement group instead of out of the node.
    pub(crate) part: Option<GroupPart>,
    /// The node's id in hexadecimal, if only one will do.
    pub(crate) node: Option<String>,
    /// Selectors of labels, if not every node will do.
    pub(crate) labels: Option<String>,
}

impl Demand {
    /// Amounts without further wishes.
    pub(crate) fn plain(amounts: ResourceSet) -> Self {
        Self { amounts, ..Self::default() }
    }

    /// Takes named amounts apart.
    pub(crate) fn parse(named: &ResourceSet) -> Self {
        let mut demand = Self::default();
        for (name, amount) in named.iter() {
            if let Some(node) = name.strip_prefix(NODE) {
                demand.node = Some(node.to_owned());
            } else if let Some(labels) = name.strip_prefix(LABELS) {
                demand.labels = Some(labels.to_owned());
            } else if let Some((resource, part)) = split_group(name) {
                if resource != CAPTURE {
                    demand.part = Some(part);
                    demand.amounts.set(resource, amount);
                }
            } else {
                demand.amounts.set(name, amount);
            }
        }
        demand
    }

    /// As people read it.
    pub(crate) fn describe(&self) -> String {
        let mut text = describe(&self.amounts);
        if let Some(part) = &self.part {
            let which = part.bundle.map_or_else(String::new, |bundle| format!("bundle {bundle} of "));
            text.push_str(&format!(" in {which}placement group {}", part.group));
        }
        if let Some(labels) = &self.labels {
            text.push_str(&format!(" on a node with the labels {labels}"));
        }
        text
    }
}

/// The placement group that named amounts come from, if they come from one.
pub fn group_of(named: &ResourceSet) -> Option<PlacementGroupId> {
    Demand::parse(named).part.map(|part| part.group)
}

/// Amounts as people read them.
pub(crate) fn describe(resources: &ResourceSet) -> String {
    let of_use = resources.iter().filter(|(name, _)| *name != MARKER);
    let parts: Vec<String> = of_use.map(|(name, amount)| format!("{name}: {}", amount.as_f64())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// The name of a resource in a group, or in one of its bundles.
pub(crate) fn group_name(resource: &str, group: &PlacementGroupId, bundle: Option<usize>) -> String {
    match bundle {
        Some(bundle) => format!("{resource}{GROUP}{bundle}_{group}"),
        None => format!("{resource}{GROUP}{group}"),
    }
}

fn split_group(name: &str) -> Option<(&str, GroupPart)> {
    let (resource, rest) = name.rsplit_once(GROUP)?;
    let (bundle, id) = match rest.split_once('_') {
        Some((bundle, id)) => (Some(bundle.parse().ok()?), id),
        None => (None, rest),
    };
    Some((resource, GroupPart { group: parse_id(id)?, bundle }))
}

fn parse_id(text: &str) -> Option<PlacementGroupId> {
    let mut bytes = [0; PlacementGroupId::LEN];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(PlacementGroupId::new(bytes))
}

/// How much of the marker a bundle has.
pub(crate) const MARKERS: Amount = Amount::whole(1000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::env::set;

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
}
