//! Objects asked for and let go, and processes and nodes that die.

use crate::pulls::state::{Pull, PullEffect, PullFailure, PullRequest, PullTable, Source, Stage};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ObjectId, WorkerId};

impl PullTable {
    /// A process needs an object of another node. It is answered once, and holds the copy from then on.
    pub fn on_pull(&mut self, request: &PullRequest, effects: &mut Vec<PullEffect>) {
        let PullRequest { from, object, node, location, priority } = *request;
        let source = Source { node, location, is_direct: false, failed_node: None };
        let is_dead = self.dead_nodes.contains(&node);
        let number = self.next_number;
        if let Some(pull) = self.pulls.get_mut(&object) {
            if pull.stage == Stage::Here {
                if !self.defects.holder_forgotten {
                    pull.holders.insert(from);
                }
                effects.push(PullEffect::Answer { to: from, object, result: Ok(()) });
                return;
            }
            let known = pull.origins.iter().any(|origin| origin.node == node && origin.location == location);
            // A copy of another length would be another value: what was asked for first is what is fetched.
            if !known && !is_dead && location.size_bytes == pull.size_bytes {
                pull.origins.push_back(source);
            }
            let urgent = pull.waiters.get(&from).map_or(priority, |before| priority.min(*before));
            if !self.defects.asker_forgotten {
                pull.waiters.insert(from, urgent);
            }
            if self.defects.fetched_twice && matches!(pull.stage, Stage::Fetching { .. }) {
                self.fetch_next(&object, effects);
            }
        } else if is_dead {
            self.failed += 1;
            effects.push(PullEffect::Answer { to: from, object, result: Err(PullFailure::NodeDied) });
            return;
        } else {
            self.next_number += 1;
            let pull = Pull {
                number,
                size_bytes: location.size_bytes,
                stage: Stage::Queued { number },
                waiters: BTreeMap::from([(from, priority)]),
                holders: BTreeSet::new(),
                sends: 0,
                origins: VecDeque::from([source]),
                named: None,
                silent: 0,
                silent_since_ms: None,
                redirects: 0,
                failed_node: None,
                failure: PullFailure::Lost,
            };
            self.pulls.insert(object, pull);
        }
        self.admit(effects);
    }

    /// A process needs the object no more, whether it has the copy or still waits for it.
    pub fn on_release(&mut self, from: WorkerId, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        if let Some(pull) = self.pulls.get_mut(object) {
            let waited = pull.waiters.remove(&from).is_some();
            let held = pull.holders.remove(&from);
            if waited || held {
                self.after_leaving(object, effects);
                self.admit(effects);
            }
        }
    }

    /// A process of this node is gone.
    pub fn on_process_died(&mut self, worker: WorkerId, effects: &mut Vec<PullEffect>) {
        let concerned = |pull: &Pull| pull.waiters.contains_key(&worker) || pull.holders.contains(&worker);
        let objects: Vec<ObjectId> =
            self.pulls.iter().filter(|(_, pull)| concerned(pull)).map(|(object, _)| *object).collect();
        for object in objects {
            self.on_release(worker, &object, effects);
        }
    }

    /// A node is gone: nothing comes from it any more.
    pub fn on_node_died(&mut self, node: u32, effects: &mut Vec<PullEffect>) {
        self.dead_nodes.insert(node);
        let objects: Vec<ObjectId> = self.pulls.keys().copied().collect();
        for object in objects {
            let Some(pull) = self.pulls.get_mut(&object).filter(|pull| pull.stage != Stage::Here) else { continue };
            let was_source = pull.source().is_some_and(|source| source.node == node);
            let was_origin = pull.origins.iter().any(|origin| origin.node == node);
            pull.origins.retain(|origin| origin.node != node);
            if pull.named.is_some_and(|named| named.node == node) {
                pull.named = None;
            }
            if was_origin {
                pull.failure = PullFailure::NodeDied;
            }
            match pull.stage {
                Stage::Fetching { attempt } if was_source => {
                    pull.stage = Stage::Stopping { attempt };
                    effects.push(PullEffect::Stop { object, attempt });
                }
                Stage::Queued { .. } | Stage::Resting { .. } if pull.source().is_none() => self.fail(&object, effects),
                // What has no source left fails when its room is found, or its fetch has stopped.
                _ => {}
            }
        }
        self.admit(effects);
    }

    /// A transfer to another node reads a copy that is here, or one that is being fetched: the copy's number, for `on_send_ended`. `None` when
    /// there is none.
    pub fn on_send_began(&mut self, object: &ObjectId) -> Option<u64> {
        self.pulls.get_mut(object).map(|pull| {
            pull.sends += 1;
            pull.number
        })
    }

    /// A transfer to another node has ended. It may have outlived its copy, and another one of the object may be here (PULL-5).
    pub fn on_send_ended(&mut self, object: &ObjectId, number: u64, effects: &mut Vec<PullEffect>) {
        let is_any = self.defects.late_end_counts;
        let is_its = |pull: &Pull| pull.number == number || is_any;
        if let Some(pull) = self.pulls.get_mut(object).filter(|pull| is_its(pull)) {
            pull.sends = pull.sends.saturating_sub(1);
            self.after_leaving(object, effects);
            self.admit(effects);
        }
    }

    /// Ends what nobody needs any more (PULL-5), once nothing writes to its memory (PULL-4).
    pub(crate) fn after_leaving(&mut self, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.get_mut(object) else { return };
        match pull.stage {
            Stage::Here if self.defects.copy_kept => {}
            Stage::Here if pull.holders.is_empty() && (pull.sends == 0 || self.defects.sends_ignored) => {
                effects.push(PullEffect::Free { object: *object });
                self.pulls.remove(object);
            }
            Stage::Queued { .. } | Stage::Resting { .. } if pull.waiters.is_empty() => {
                self.pulls.remove(object);
            }
            Stage::Fetching { attempt } if pull.waiters.is_empty() => {
                pull.stage = Stage::Stopping { attempt };
                effects.push(PullEffect::Stop { object: *object, attempt });
                if self.defects.stop_not_awaited {
                    self.give_up_room(object, effects);
                    self.pulls.remove(object);
                }
            }
            _ => {}
        }
    }
}
