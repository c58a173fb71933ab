//! One filled example of every frame that is sent. The values are made up; no two fields of one message have the same number.

mod actors;
mod explain;
mod leases;
mod objects;
mod peer;
mod placement_groups;
mod processes;
mod service;
mod tasks;

use std::collections::BTreeMap;
use trygon_wire::{Kind, Message, encode};

/// Frames by kind, in the order in which they were put.
#[derive(Default)]
pub(crate) struct Examples(pub(crate) Vec<(Kind, Vec<u8>)>);

impl Examples {
    fn put(&mut self, kind: Kind, message: &impl Message) {
        self.0.push((kind, encode(kind, message)));
    }
}

/// Every example there is.
pub(crate) fn all() -> Vec<(Kind, Vec<u8>)> {
    let mut examples = Examples::default();
    tasks::put(&mut examples);
    peer::put(&mut examples);
    processes::put(&mut examples);
    leases::put(&mut examples);
    actors::put(&mut examples);
    objects::put(&mut examples);
    placement_groups::put(&mut examples);
    service::put(&mut examples);
    explain::put(&mut examples);
    examples.0
}

fn id(first: u8, len: u8) -> Vec<u8> {
    (0..len).map(|index| first.wrapping_mul(16).wrapping_add(index)).collect()
}

/// One entry only: the order of several would differ from run to run.
fn amounts(resource: &str, amount: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([(resource.to_owned(), amount)])
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
