//! What is planted in a run, what it counts, and all that is planted.

use trygon_control::HeadDefects;
use trygon_control_core::PresenceDefects;

/// Defects of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlantedInControl {
    /// In the head.
    pub head: HeadDefects,
    /// In what says which stream is heard.
    pub presence: PresenceDefects,
    /// STREAM-2: what there is no room for on a node's stream is left out.
    pub link_skips: bool,
    /// Prints what is said and heard.
    pub is_traced: bool,
}

/// What a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages and ticks that the head took in.
    pub events: u64,
    /// Streams that nodes opened.
    pub streams: u64,
    /// Streams that the head cut because nobody read.
    pub cuts: u64,
}

/// A defect: the law that it breaks, its name, and how it is planted.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// The law.
    pub label: &'static str,
    /// What is wrong.
    pub name: &'static str,
    /// Plants it.
    pub plant: fn(&mut PlantedInControl),
}

const fn planted(label: &'static str, name: &'static str, plant: fn(&mut PlantedInControl)) -> Planted {
    Planted { label, name, plant }
}

/// All of them.
pub const DEFECTS: &[Planted] = &[
    planted("ACTOR-1", "a dead actor keeps its name", |it| it.head.actors.name_kept = true),
    planted("ACTOR-1", "a name that is taken is given again", |it| it.head.actors.name_shared = true),
    planted("ACTOR-2", "one restart more than is allowed", |it| it.head.actors.one_more_life = true),
    planted("ACTOR-2", "the next life has the number of the last", |it| it.head.actors.same_life = true),
    planted("ACTOR-3", "a worker for an earlier life is taken", |it| it.head.actors.life_ignored = true),
    planted("ACTOR-3", "an earlier constructor's end counts", |it| it.head.actors.start_ignored = true),
    planted("ACTOR-4", "a dead actor is ended again", |it| it.head.actors.dies_again = true),
    planted("ACTOR-4", "watchers do not hear of the end", |it| it.head.actors.end_unheard = true),
    planted("ACTOR-5", "an actor outlives its creator", |it| it.head.actors.orphans_kept = true),
    planted("ACTOR-6", "an actor that dies as it begins does not rest", |it| it.head.actors.restless = true),
    planted("ACTOR-6", "rests do not grow", |it| it.head.actors.rests_even = true),
    planted("PLACE-1", "a removed group keeps its name", |it| it.head.groups.name_kept = true),
    planted("PLACE-1", "a name that is taken is given again", |it| it.head.groups.name_shared = true),
    planted("PLACE-2", "a removed group is there again", |it| it.head.groups.comes_back = true),
    planted("PLACE-2", "watchers do not hear of the removal", |it| it.head.groups.end_unheard = true),
    planted("PLACE-3", "a group outlives the actor that made it", |it| it.head.groups.actor_outlived = true),
    planted("PLACE-3", "a group outlives its job", |it| it.head.job_outlived = true),
    planted("RECORD-1", "every dead actor is remembered", |it| it.head.actors.dead_kept = true),
    planted("RECORD-1", "who is forgotten is not said", |it| it.head.actors.forgets_silently = true),
    planted("RECORD-1", "every removed group is remembered", |it| it.head.groups.removed_kept = true),
    planted("STREAM-1", "what comes by an older stream is heard", |it| it.presence.any_stream = true),
    planted("STREAM-2", "a node that does not read misses something", |it| it.link_skips = true),
    planted("STREAM-3", "a node that said farewell is waited for", |it| it.presence.farewell_forgotten = true),
    planted("BACK-1", "a process that is not there is believed in", |it| it.head.missing_believed = true),
    planted("BACK-1", "bundles of which nobody knows stay", |it| it.head.unknown_kept = true),
    planted("BACK-2", "a worker is asked for once", |it| it.head.asked_once = true),
    planted("BACK-2", "bundles are asked for once", |it| it.head.prepared_once = true),
    planted("BACK-2", "that bundles may be used is said once", |it| it.head.committed_once = true),
    planted("BACK-2", "that an actor is known to run is said once", |it| it.head.told_once = true),
    planted("GROUP-4", "bundles are used when one node holds its own", |it| it.head.commits_early = true),
    planted("GROUP-5", "what a failed attempt held stays", |it| it.head.attempt_kept = true),
    planted("GROUP-5", "an answer that comes late is not answered", |it| it.head.late_kept = true),
    planted("GROUP-6", "bundles of a lost node are not placed again", |it| it.head.bundles_lost = true),
    planted("SEAT-1", "a worker is taken whoever found it", |it| it.head.any_seat = true),
    planted("SEAT-1", "a second worker is not ended", |it| it.head.second_kept = true),
    planted("SEAT-2", "an actor stays where it waits", |it| it.head.never_moves = true),
    planted("HEAR-1", "what is said again is taken in again", |it| it.head.heard_twice = true),
    planted("HEAR-1", "what is said again is not answered", |it| it.head.answered_once = true),
    planted("VIEW-1", "what is asked for an actor does not count", |it| it.head.asked_free = true),
    planted("VIEW-1", "what is not asked any more counts", |it| it.head.unasked_counts = true),
    planted("VIEW-2", "a node that is gone may be picked", |it| it.head.gone_picked = true),
    planted("VIEW-2", "a node that drains may be picked", |it| it.head.drains_picked = true),
];

impl Planted {
    /// What a run gets.
    pub fn defects(&self) -> PlantedInControl {
        let mut defects = PlantedInControl::default();
        (self.plant)(&mut defects);
        defects
    }
}
