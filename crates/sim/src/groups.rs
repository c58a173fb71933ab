//! Placement groups of the driver: made, used by some of its tasks, and removed, whatever runs in them.

use crate::message::ToDaemon;
use crate::world::World;
use std::collections::BTreeMap;
use trygon_ids::PlacementGroupId;
use trygon_worker_core::FunctionIndex;

/// Most groups at a time: on one machine all have room.
const MOST: usize = 2;

impl World {
    /// Now and then the driver makes a group or removes one.
    pub(crate) fn change_groups(&mut self, number: usize) {
        if number != 0 || self.workload.machines == 0 || !self.random.percent(12) {
            return;
        }
        if self.groups.len() == MOST || (!self.groups.is_empty() && self.random.percent(30)) {
            let (group, _) = self.groups.remove(self.random.below(self.groups.len() as u64) as usize);
            self.removed_groups += 1;
            return self.send_daemon(0, ToDaemon::RemoveGroup { group });
        }
        self.counts.groups += 1;
        let mut bytes = [1; PlacementGroupId::LEN];
        bytes[10..].copy_from_slice(&self.counts.groups.to_be_bytes());
        let group = PlacementGroupId::new(bytes);
        let strategy = if self.random.percent(50) { "PACK" } else { "SPREAD" };
        let bundle = if self.random.percent(50) { String::new() } else { format!("{}_", self.random.below(2)) };
        let resources = BTreeMap::from([(format!("CPU_group_{bundle}{}", group.hex()), 1.0)]);
        let name = format!("grouped-{}", self.counts.groups);
        let function = self.processes[0].core.add_function(&name, &resources, &[], false);
        self.groups.push((group, function));
        self.send_daemon(0, ToDaemon::CreateGroup { group, strategy });
    }

    /// Some of the driver's tasks run in a group.
    pub(crate) fn in_group(&mut self, number: usize, function: FunctionIndex) -> FunctionIndex {
        if number != 0 || self.groups.is_empty() || !self.random.percent(40) {
            return function;
        }
        self.groups[self.random.below(self.groups.len() as u64) as usize].1
    }
}
