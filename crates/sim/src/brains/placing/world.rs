//! What is said of the nodes, and what is asked of the view.

use crate::brains::placing::bundles;
use crate::brains::placing::model::{Known, Model, check};
use crate::random::Random;
use trygon_ids::NodeId;
use trygon_placement::{Delta, Demand, Labels, NodeState, PackRequest, Pick, Seat, View, ViewDefects};
use trygon_resources::{Amount, ResourceSet};

/// Most nodes at a time: few enough to try every way of placing bundles.
const MOST: u64 = 5;

fn set(entries: &[(&str, u64)]) -> ResourceSet {
    entries.iter().map(|(name, amount)| ((*name).to_owned(), Amount::whole(*amount as i64))).collect()
}

fn id(number: u64) -> NodeId {
    let mut bytes = [7; NodeId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::new(bytes)
}

/// Everything.
pub(super) struct World {
    random: Random,
    view: View,
    model: Model,
    events: u64,
}

impl World {
    pub(super) fn new(seed: u64, defects: ViewDefects) -> Self {
        let mut view = View::default();
        view.set_defects(defects);
        Self { random: Random::new(seed), view, model: Model::new(), events: 0 }
    }

    pub(super) fn run(mut self) -> Result<u64, String> {
        for _ in 0..150 {
            self.events += 1;
            self.change();
            check(&self.view, &self.model)?;
            self.pick()?;
            if self.random.percent(30) {
                self.pack()?;
            }
        }
        Ok(self.events)
    }

    fn any(&mut self) -> Option<NodeId> {
        let place = self.random.below(self.model.len() as u64) as usize;
        self.model.keys().nth(place).copied()
    }

    fn free(&mut self) -> ResourceSet {
        set(&[("CPU", self.random.below(7)), ("GPU", self.random.below(3))])
    }

    fn state(&mut self, number: u64) -> NodeState {
        let labels = Labels::from([("zone".to_owned(), ["a", "b"][number as usize % 2].to_owned())]);
        let (free, is_draining) = (self.free(), self.random.percent(20));
        let total = set(&[("CPU", 6), ("GPU", 2)]);
        NodeState { node: id(number), number: number as u32, total, free, labels, is_draining, queued: 0 }
    }

    fn put(&mut self, state: NodeState) {
        let known = self.model.entry(state.node);
        let known = known.or_insert_with(|| Known { state: state.clone(), pending: ResourceSet::new() });
        known.state = state.clone();
        self.view.put(state);
    }

    /// A view from the head: all nodes, or those that changed.
    fn hear(&mut self) {
        let is_whole = self.random.percent(50);
        let mut nodes = Vec::new();
        for number in 0..MOST {
            if self.random.percent(50) {
                nodes.push(self.state(number));
            }
        }
        let gone: Vec<NodeId> =
            self.any().into_iter().filter(|node| nodes.iter().all(|state| state.node != *node)).collect();
        self.model
            .retain(|node, _| !gone.contains(node) && (!is_whole || nodes.iter().any(|state| state.node == *node)));
        for state in &nodes {
            let known = self.model.entry(state.node);
            let known = known.or_insert_with(|| Known { state: state.clone(), pending: ResourceSet::new() });
            known.state = state.clone();
        }
        self.view.apply(Delta { is_whole, nodes, gone }, |_| true);
    }

    /// Something is asked of a node, or answered.
    fn ask(&mut self) {
        let Some(node) = self.any() else { return };
        let one = set(&[("CPU", 1)]);
        let Some(known) = self.model.get_mut(&node) else { return };
        let is_asked = known.pending.covers(&one);
        match self.random.below(4) {
            1 if is_asked => {
                known.pending.subtract(&one);
                self.view.answered(node, &one, 1);
            }
            2 if is_asked => {
                known.pending.subtract(&one);
                known.state.free.subtract(&one);
                self.view.granted(node, &one);
            }
            3 => {
                known.pending = ResourceSet::new();
                self.view.forget_asks(node);
            }
            _ => {
                let count = 1 + self.random.below(2) as u32;
                known.pending.add_times(&one, count);
                self.view.ask(node, &one, count);
            }
        }
    }

    fn change(&mut self) {
        match self.random.below(10) {
            0..3 => {
                let number = self.random.below(MOST);
                let state = self.state(number);
                self.put(state);
            }
            3 => {
                if let Some(node) = self.any() {
                    self.model.remove(&node);
                    self.view.remove(node);
                }
            }
            4 => self.hear(),
            5 => {
                let free = self.free();
                if let Some(node) = self.any() {
                    self.model.get_mut(&node).into_iter().for_each(|known| known.state.free = free.clone());
                    self.view.set_free(node, free);
                }
            }
            _ => self.ask(),
        }
    }

    /// Whatever is picked is right, and something is picked if anything is.
    fn pick(&mut self) -> Result<(), String> {
        let mut wanted = vec![("CPU".to_owned(), Amount::whole(self.random.below(6) as i64))];
        wanted.push(("GPU".to_owned(), Amount::whole(self.random.below(2) as i64)));
        let wish = ["", "", "labels:zone=a", "soft_labels:zone=b", "strategy:SPREAD"][self.random.below(5) as usize];
        if !wish.is_empty() {
            wanted.push((wish.to_owned(), Amount::whole(1)));
        }
        if self.random.percent(25) {
            let kind = ["node_id", "near_node_id"][self.random.below(2) as usize];
            wanted.push((format!("{kind}:{}", id(self.random.below(MOST))), Amount::whole(1)));
        }
        let named: ResourceSet = wanted.into_iter().filter(|(_, amount)| *amount > Amount::ZERO).collect();
        let demand = Demand::parse(&named);
        let named = demand.named_amounts();
        let salt = self.random.number();
        let pick = Pick { demand: &demand, named: &named, salt, skip: &|_| false };
        let found = self.view.pick(&pick).map(Seat::node);
        if let Some(node) = found {
            self.check_picked(node, &named)?;
        }
        let suits = |known: &&Known| {
            let is_labelled =
                demand.labels.as_deref().is_none_or(|labels| trygon_placement::is_met(labels, &known.state.labels));
            let is_bound = demand.node.as_ref().is_some_and(|node| *node != known.state.node.hex());
            !known.state.is_draining && known.available().covers(&named) && is_labelled && !is_bound
        };
        if let Some(known) = self.model.values().find(suits).filter(|_| found.is_none()) {
            return Err(format!("VIEW-1: node {} has room for {named:?}, and nobody is picked", known.state.node));
        }
        let in_turn = self.view.pick_in_turn(&pick, 0).map(|(_, seat)| seat.node());
        in_turn.map_or(Ok(()), |node| self.check_picked(node, &named))
    }

    fn check_picked(&self, node: NodeId, named: &ResourceSet) -> Result<(), String> {
        match self.model.get(&node) {
            None => Err(format!("VIEW-2: node {node} is picked, which is gone")),
            Some(known) if known.state.is_draining => Err(format!("VIEW-2: node {node} is picked, which drains")),
            Some(known) if !known.available().covers(named) => {
                Err(format!("VIEW-1: node {node} is picked for {named:?}, and has {:?} left", known.available()))
            }
            Some(_) => Ok(()),
        }
    }

    fn pack(&mut self) -> Result<(), String> {
        let count = 1 + self.random.below(4);
        let bundles: Vec<ResourceSet> = (0..count)
            .map(|_| (1 + self.random.below(4), self.random.below(2)))
            .map(|(cpus, gpus)| set(&[("CPU", cpus), ("GPU", gpus)]))
            .collect();
        let mut taken = Vec::new();
        if self.random.percent(30) {
            taken.extend(self.any());
        }
        let target = if self.random.percent(20) { self.any() } else { None };
        for strategy in bundles::STRATEGIES {
            let request = PackRequest { bundles: &bundles, strategy, labels: &[], taken: &taken, target };
            bundles::check(&self.view, &self.model, request)?;
        }
        Ok(())
    }
}
