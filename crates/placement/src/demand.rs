//! What a request needs: amounts, and where they may come from. On the wire all of it is names and amounts, so that it is part of the
//! lease's key without further ado; here it is taken apart.
//!
//! - `CPU_group_<id>` and `CPU_group_<bundle>_<id>`: that much CPU of any bundle of a placement group, or of this bundle;
//! - `bundle_group_…`: a little of this is taken by everything in a group, so that what needs nothing else is in it too;
//! - `node_id:<id>`: on this node or nowhere;
//! - `soft_node_id:<id>`: on this node, unless it is gone or too small;
//! - `near_node_id:<id>`: on this node if it has room now;
//! - `labels:<selectors>`: on a node with such labels (see `labels.rs`);
//! - `soft_labels:<selectors>`: rather on a node with such labels;
//! - `strategy:SPREAD`: on another node each time;
//! - `capture_group_<id>`: says something to the worker, and nothing here.

use trygon_ids::{NodeId, PlacementGroupId};
use trygon_resources::{Amount, ResourceSet};

/// Where the part of a name begins that names a group.
const GROUP: &str = "_group_";
/// The name for "on this node".
const NODE: &str = "node_id:";
/// The name for "on this node while it lives".
const SOFT_NODE: &str = "soft_node_id:";
/// The name for "on this node if there is room".
pub const NEAR_NODE: &str = "near_node_id:";
/// The name for "on a node with these labels".
const LABELS: &str = "labels:";
/// The name for "rather on a node with these labels".
const SOFT_LABELS: &str = "soft_labels:";
/// The name for "on another node each time".
const SPREAD: &str = "strategy:SPREAD";
/// The name whose only reader is the worker.
const CAPTURE: &str = "capture";
/// What everything in a group takes a little of.
pub const MARKER: &str = "bundle";
/// How much of the marker a bundle has.
pub const MARKERS: Amount = Amount::whole(1000);

/// The part of a placement group that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupPart {
    /// The group.
    pub group: PlacementGroupId,
    /// One bundle of it; `None` for any.
    pub bundle: Option<u32>,
}

/// Where a request would rather be, if it may choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Wishes {
    /// On this node unless it is gone or too small; it waits there.
    pub soft_node: Option<NodeId>,
    /// On this node if it has room now.
    pub near: Option<NodeId>,
    /// On a node with such labels if one has room now.
    pub soft_labels: Option<String>,
    /// On another node each time.
    pub is_spread: bool,
}

impl Wishes {
    /// Whether any node is as good as any other.
    pub fn is_empty(&self) -> bool {
        self.soft_node.is_none() && self.near.is_none() && self.soft_labels.is_none() && !self.is_spread
    }
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Demand {
    /// How much of what.
    pub amounts: ResourceSet,
    /// Out of a placement group instead of out of the node.
    pub part: Option<GroupPart>,
    /// The node's id in hexadecimal, if only one will do.
    pub node: Option<String>,
    /// Selectors of labels, if not every node will do.
    pub labels: Option<String>,
    /// Where it would rather be.
    pub wishes: Wishes,
}

impl Demand {
    /// Amounts without further wishes.
    pub fn plain(amounts: ResourceSet) -> Self {
        Self { amounts, ..Self::default() }
    }

    /// Takes named amounts apart.
    pub fn parse(named: &ResourceSet) -> Self {
        let mut demand = Self::default();
        for (name, amount) in named.iter() {
            if !demand.take_place(name) {
                demand.take_amount(name, amount);
            }
        }
        demand
    }

    /// Whether the name says where, and not how much.
    fn take_place(&mut self, name: &str) -> bool {
        if let Some(node) = name.strip_prefix(NODE) {
            self.node = Some(node.to_owned());
        } else if let Some(labels) = name.strip_prefix(LABELS) {
            self.labels = Some(labels.to_owned());
        } else if let Some(node) = name.strip_prefix(SOFT_NODE) {
            self.wishes.soft_node = node_id(node);
        } else if let Some(node) = name.strip_prefix(NEAR_NODE) {
            self.wishes.near = node_id(node);
        } else if let Some(labels) = name.strip_prefix(SOFT_LABELS) {
            self.wishes.soft_labels = Some(labels.to_owned());
        } else if name == SPREAD {
            self.wishes.is_spread = true;
        } else {
            return false;
        }
        true
    }

    fn take_amount(&mut self, name: &str, amount: Amount) {
        match split_group(name) {
            Some((CAPTURE, _)) => {}
            Some((resource, part)) => {
                self.part = Some(part);
                self.amounts.set(resource, amount);
            }
            None => self.amounts.set(name, amount),
        }
    }

    /// The amounts under the names that nodes have them under.
    pub fn named_amounts(&self) -> ResourceSet {
        let Some(part) = &self.part else {
            return self.amounts.clone();
        };
        let bundle = part.bundle.map(|bundle| bundle as usize);
        self.amounts.iter().map(|(name, amount)| (group_name(name, &part.group, bundle), amount)).collect()
    }

    /// The names that another node is asked for: everything that must be, without wishes, for they were heard before.
    pub fn named(&self) -> ResourceSet {
        let mut named = self.named_amounts();
        if let Some(node) = &self.node {
            named.set(&format!("{NODE}{node}"), Amount::whole(1));
        }
        if let Some(labels) = &self.labels {
            named.set(&format!("{LABELS}{labels}"), Amount::whole(1));
        }
        named
    }

    /// As people read it.
    pub fn describe(&self) -> String {
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
pub fn describe(resources: &ResourceSet) -> String {
    let of_use = resources.iter().filter(|(name, _)| *name != MARKER);
    let parts: Vec<String> = of_use.map(|(name, amount)| format!("{name}: {}", amount.as_f64())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// The name of a resource in a group, or in one of its bundles.
pub fn group_name(resource: &str, group: &PlacementGroupId, bundle: Option<usize>) -> String {
    match bundle {
        Some(bundle) => format!("{resource}{GROUP}{bundle}_{group}"),
        None => format!("{resource}{GROUP}{group}"),
    }
}

/// Whether a node has the name only because of a placement group.
pub(crate) fn is_of_group(name: &str) -> bool {
    name.contains(GROUP)
}

/// The node with this id in hexadecimal; `None` for what is no id.
pub fn node_id(text: &str) -> Option<NodeId> {
    parse_hex(text).map(NodeId::new)
}

fn split_group(name: &str) -> Option<(&str, GroupPart)> {
    let (resource, rest) = name.rsplit_once(GROUP)?;
    let (bundle, id) = match rest.split_once('_') {
        Some((bundle, id)) => (Some(bundle.parse().ok()?), id),
        None => (None, rest),
    };
    Some((resource, GroupPart { group: PlacementGroupId::new(parse_hex(id)?), bundle }))
}

fn parse_hex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    if text.len() != 2 * LENGTH || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
