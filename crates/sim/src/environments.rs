//! Runtime environments: some tasks run in one of their own, a number here.

use crate::message::Push;
use crate::world::World;
use trygon_node_core::PLAIN;
use trygon_worker_core::FunctionIndex;

impl World {
    /// Some tasks want an environment.
    pub(crate) fn in_environment(&mut self, number: usize, function: FunctionIndex) -> FunctionIndex {
        if self.workload.environments == 0 || !self.random.percent(60) {
            return function;
        }
        let place = self.random.below(self.workload.environments) as usize;
        self.processes[number].environment_functions[place]
    }

    /// ENV-1: a task begins in a process of its environment.
    pub(crate) fn check_environment(&mut self, number: usize, caller: usize, push: &Push) {
        let place = self.processes[caller].environment_functions.iter().position(|function| *function == push.function);
        let wanted = place.map_or(PLAIN, |place| place as u32 + 1);
        let environment = self.processes[number].environment;
        if environment != wanted {
            self.fail(format!(
                "ENV-1: a task of process {caller} wants environment {wanted}, and process {number} runs in {environment}"
            ));
        }
    }
}
