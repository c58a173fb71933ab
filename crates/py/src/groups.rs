//! Concurrency groups: which calls of an actor may run beside one another, and how many.

use pyo3::prelude::*;
use std::collections::HashMap;
use std::collections::VecDeque;
use trygon_worker::Call;

/// What an actor's class says of its concurrency, as the hook `actor_concurrency` returns it: whether it has an event loop, its groups with
/// their limits (the first is for methods that name none), and the groups of methods.
pub(crate) type Concurrency = (bool, Vec<(String, usize)>, HashMap<String, String>);

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) limit: usize,
    /// Calls that came while the group was full, in order.
    pub(crate) queue: VecDeque<Call>,
    pub(crate) running: usize,
}

/// All groups of an actor.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    by_name: HashMap<String, usize>,
    by_method: HashMap<String, usize>,
}

impl Groups {
    pub(crate) fn new(limits: &[(String, usize)], methods: &HashMap<String, String>) -> Self {
        let by_name: HashMap<String, usize> =
            limits.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        let by_method = methods
            .iter()
            .filter_map(|(method, group)| by_name.get(group).map(|index| (method.clone(), *index)))
            .collect();
        let groups =
            limits.iter().map(|(_, limit)| Group { limit: *limit, queue: VecDeque::new(), running: 0 }).collect();
        Self { groups, by_name, by_method }
    }

    /// The group of a call: the one that the caller names, or the method's, or the first.
    pub(crate) fn of(&self, call: &Call) -> usize {
        let named = if call.definition.group.is_empty() { None } else { self.by_name.get(&call.definition.group) };
        named.or_else(|| self.by_method.get(&call.definition.name)).copied().unwrap_or(0)
    }

    /// Takes a call in. It is given back with its group when it may run now.
    pub(crate) fn admit(&mut self, call: Call) -> Option<(usize, Call)> {
        let index = self.of(&call);
        let group = &mut self.groups[index];
        if group.running >= group.limit {
            group.queue.push_back(call);
            return None;
        }
        group.running += 1;
        Some((index, call))
    }

    /// A call of this group ended. The next one, if one waits: it counts as running.
    pub(crate) fn next(&mut self, index: usize) -> Option<Call> {
        let group = &mut self.groups[index];
        let next = group.queue.pop_front();
        if next.is_none() {
            group.running -= 1;
        }
        next
    }

    /// Whether nothing runs or waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.groups.iter().all(|group| group.running == 0 && group.queue.is_empty())
    }
}

/// What the class of the actor to be started says of its concurrency; `None` for the plain kind.
pub(crate) fn concurrency_of(
    py: Python<'_>,
    hooks: &crate::hooks::Hooks,
    options: &[u8],
) -> PyResult<Option<Concurrency>> {
    hooks.actor_concurrency.call1(py, (pyo3::types::PyBytes::new(py, options),))?.extract(py)
}
