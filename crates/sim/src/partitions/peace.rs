//! What must be when everything is healed.

use crate::partitions::world::World;
use std::collections::BTreeMap;
use trygon_ids::ActorId;

impl World {
    /// Everything is healed: every machine is there, and every actor lives once.
    pub(super) fn check_peace(&self) -> Result<(), String> {
        let members = self.head.members();
        for (place, it) in self.machines.iter().enumerate() {
            if !it.is_up || !members.contains(&it.node) {
                let heard = (it.hears(self.now_ms), it.is_heard(self.now_ms), it.is_frozen(self.now_ms));
                let stream = it.stream.map(|stream| self.presence.is_current(it.node, stream));
                return Err(format!(
                    "FAIL-1: machine {place} did not come back: up {}, turn {}, heard {heard:?}, stream {stream:?}, clock {}, {:?}",
                    it.is_up,
                    it.turn,
                    it.clock_ms(self.now_ms),
                    it.lease
                ));
            }
        }
        let mut lives: BTreeMap<ActorId, usize> = BTreeMap::new();
        for it in &self.machines {
            for (actor, _) in it.lives.iter().filter(|(_, life)| life.is_begun) {
                *lives.entry(*actor).or_default() += 1;
            }
        }
        if lives.len() != self.actors || lives.values().any(|count| *count != 1) {
            return Err(format!("FAIL-1: of {} actors live {lives:?}", self.actors));
        }
        Ok(())
    }
}
