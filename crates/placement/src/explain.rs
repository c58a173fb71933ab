//! Why no node can hold something, in words.

use crate::demand::MARKER;
use crate::{Demand, Labels, NodeState, View, describe, labels};
use trygon_ids::NodeId;
use trygon_resources::{Amount, ResourceSet};

impl View {
    /// What nobody has of what is needed. `besides` are nodes that are not in the view, with what they have: the asker itself.
    pub fn explain(&self, demand: &Demand, besides: &[(&ResourceSet, &Labels)]) -> String {
        let count = self.len() + besides.len();
        let nodes = if count == 1 { "the one node".to_owned() } else { format!("the {count} nodes") };
        let needs = demand.describe();
        if let Some(wanted) = &demand.node {
            return format!("is bound to node {wanted}, which does not exist or cannot hold it: it needs {needs}.");
        }
        if demand.part.is_some() {
            return format!(
                "needs {needs}, more than any such bundle has. It waits for ever; ask for less, or make larger bundles."
            );
        }
        for (name, amount) in demand.named_amounts().iter() {
            let of_view = self.index.line_of(name).and_then(|line| line.whole.last()).map(|(most, _)| *most);
            let most = besides.iter().map(|(total, _)| total.get(name)).chain(of_view).max().unwrap_or(Amount::ZERO);
            if most < amount {
                let has = if most.is_zero() {
                    format!("none of {nodes} has {name}")
                } else {
                    format!("none of {nodes} has more {name} than {}", most.as_f64())
                };
                return format!("needs {needs}, but {has}. {}", advice("ask for less, or start a node with more"));
            }
        }
        if let Some(selectors) = &demand.labels {
            let is_met = self.iter().any(|seat| seat.has_labels(Some(selectors)))
                || besides.iter().any(|(_, own)| labels::is_met(selectors, own));
            if !is_met {
                let own: Vec<String> = values(self, besides, selectors);
                let others = if own.is_empty() { "no such label".to_owned() } else { own.join(", ") };
                let advice = advice("change the selector, or start a node with these labels");
                return format!("wants a node with the labels {selectors}, and {nodes} have {others}. {advice}");
            }
        }
        let largest = self.iter().map(|seat| &seat.state.total).chain(besides.iter().map(|(total, _)| *total));
        let largest = largest.max_by_key(|total| (total.get("CPU"), total.iter().count()));
        let largest = largest.map_or_else(|| "nothing".to_owned(), |total| describe(&plain(total)));
        format!(
            "needs {needs}, which no one node has together (the largest has {largest}). {}",
            advice("ask for less, or start a node with more")
        )
    }
}

/// Nodes that are told of one by one.
const MOST_NODES: usize = 20;

impl View {
    /// Of each node what keeps it from giving what is needed now, or that it could. `besides` are nodes that are not in the view, with what they
    /// have and what is free: the asker itself. Whatever is bound to one node is judged there only.
    pub fn judge(&self, demand: &Demand, besides: &[NodeState]) -> Vec<(NodeId, String)> {
        let all = besides.iter().chain(self.iter().map(|seat| &seat.state));
        let bound = |state: &&NodeState| demand.node.as_ref().is_none_or(|wanted| *wanted == state.node.hex());
        all.filter(bound).take(MOST_NODES).map(|state| (state.node, verdict(demand, state))).collect()
    }
}

fn verdict(demand: &Demand, state: &NodeState) -> String {
    if state.is_draining {
        return "takes no new work: it is drained".to_owned();
    }
    let (mut lacking, mut full) = (Vec::new(), Vec::new());
    let named = demand.named_amounts();
    for ((name, _), (plain, amount)) in
        named.iter().zip(demand.amounts.iter()).filter(|(_, (plain, _))| *plain != MARKER)
    {
        let (has, free) = (state.total.get(name), state.free.get(name));
        if has < amount && has.is_zero() {
            lacking.push(format!("has no {plain}"));
        } else if has < amount {
            lacking.push(format!("has {} {plain} in all", has.as_f64()));
        } else if free < amount {
            full.push(format!("{} of {} {plain} are free", free.as_f64().max(0.0), has.as_f64()));
        }
    }
    if demand.part.is_some() && lacking.len() == named.iter().filter(|(name, _)| !name.starts_with(MARKER)).count() {
        return "has no such bundle".to_owned();
    }
    if let Some(selectors) = demand.labels.as_ref().filter(|selectors| !labels::is_met(selectors, &state.labels)) {
        lacking.push(format!("has not the labels {selectors}"));
    }
    match (lacking.is_empty(), full.is_empty()) {
        (false, _) => format!("cannot: it {}", lacking.join(", ")),
        (true, false) => format!("is full: {}", full.join(", ")),
        (true, true) => "has room".to_owned(),
    }
}

fn advice(what: &str) -> String {
    format!("It waits until such a node joins; {what}.")
}

fn plain(total: &ResourceSet) -> ResourceSet {
    total
        .iter()
        .filter(|(name, _)| !crate::demand::is_of_group(name))
        .map(|(n, amount)| (n.to_owned(), amount))
        .collect()
}

/// The values that there are of the labels that are asked about.
fn values(view: &View, besides: &[(&ResourceSet, &Labels)], selectors: &str) -> Vec<String> {
    let keys: std::collections::BTreeSet<&str> =
        selectors.split(['|', '&']).filter_map(|selector| selector.split_once('=')).map(|(key, _)| key).collect();
    let all = view.iter().map(|seat| &seat.state.labels).chain(besides.iter().map(|(_, labels)| *labels));
    let mut found: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for labels in all {
        for key in &keys {
            if let Some(value) = labels.get(*key).filter(|_| found.len() < 10) {
                found.insert(format!("{key}={value}"));
            }
        }
    }
    found.into_iter().collect()
}
