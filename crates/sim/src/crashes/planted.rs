//! What is planted in the disk, and in what the head does when that is full.

use crate::crashes::{PlantedInDisk, crashes};

/// The law that a defect breaks, its name, and how it is planted.
type Planted = (&'static str, &'static str, fn(&mut PlantedInDisk));

/// All of them.
pub(crate) const DEFECTS: [Planted; 6] = [
    ("JOURNAL-1", "an effect before its event is on disk", |it| it.acknowledges_early = true),
    ("JOURNAL-2", "a snapshot that is old", |it| it.snapshot_is_old = true),
    ("JOURNAL-3", "a full disk says that it kept", |it| it.full_is_silent = true),
    ("FULL-1", "what is to wait for room is dropped", |it| it.full.waiting_dropped = true),
    ("FULL-1", "who is refused is not told", |it| it.full.refusal_unsaid = true),
    ("FULL-1", "questions wait for room", |it| it.full.questions_wait = true),
];

/// Looks for each of the defects; prints after how many seeds it was found. False: one was not.
pub fn find_in_disk(seeds: u64) -> bool {
    let mut all = true;
    for (label, name, plant) in DEFECTS {
        let mut planted = PlantedInDisk::default();
        plant(&mut planted);
        let found = (0..seeds).find_map(|seed| crashes(seed, 3, planted).failure.map(|failure| (seed + 1, failure)));
        all &= found.is_some();
        match found {
            Some((count, failure)) => println!("{label:<9} {name:<42} found after {count:>3} seeds of head: {failure}"),
            None => println!("{label:<9} {name:<42} NOT FOUND in {seeds} seeds of head"),
        }
    }
    all
}
