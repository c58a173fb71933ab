//! Where things are placed: a view of a few nodes that come, report, drain and go, and what is picked of it.
//!
//! A plain copy of what was said is kept beside the view. Whatever is picked must be there, take new work (VIEW-2) and have room, less what was
//! asked of it (VIEW-1); whatever could be picked is; and bundles go only where all of them fit as they should, if there is a way (PACK-1).

mod bundles;
mod model;
mod world;

use trygon_placement::ViewDefects;

/// One run of a seed: the number of events.
///
/// # Errors
/// A sentence that names the law.
pub(super) fn run(seed: u64, defects: ViewDefects) -> Result<u64, String> {
    world::World::new(seed, defects).run()
}
