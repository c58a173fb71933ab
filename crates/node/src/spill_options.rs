//! Where objects are written when memory is full, and how: what was asked for, and this machine's usual place.

use crate::kinds::start_sweep;
use crate::options;
use crate::session::folder;
use std::path::{Path, PathBuf};
use trygon_store::spill::SpillOptions;
use trygon_wire::control::SpillConfig;

/// The folder for objects in a session's own.
const IN_SESSION: &str = "spill";

/// The options of a daemon; `session` is its session's folder, where it has one.
pub(crate) fn spill_options(config: Option<SpillConfig>, session: Option<&Path>) -> SpillOptions {
    let config = config.unwrap_or_default();
    if config.is_off {
        return SpillOptions::off();
    }
    let directories = if config.directories.is_empty() {
        vec![usual_place(session).to_string_lossy().into_owned()]
    } else {
        config.directories
    };
    let mut spill = SpillOptions::in_directories(directories);
    let positive = |value: f64| Some(value).filter(|value| *value > 0.0);
    let given = |value: u64| Some(value).filter(|value| *value > 0);
    spill.threshold = positive(config.threshold).unwrap_or(spill.threshold);
    spill.disk_share = positive(config.disk_share).unwrap_or(spill.disk_share);
    spill.file_bytes = given(config.file_bytes).unwrap_or(spill.file_bytes);
    spill.file_objects = given(config.file_objects).unwrap_or(spill.file_objects);
    spill.quota_bytes = config.quota_bytes;
    spill
}

/// A session's own folder, unless that is in memory as the user's runtime folder is; else the system's folder for temporary files.
fn usual_place(session: Option<&Path>) -> PathBuf {
    let in_memory = options::folder("XDG_RUNTIME_DIR");
    let on_disk = session.filter(|session| in_memory.as_ref().is_none_or(|folder| !session.starts_with(folder)));
    match on_disk {
        Some(session) => session.join(IN_SESSION),
        None => options::folder(folder::BASE_VARIABLE).unwrap_or_else(std::env::temp_dir),
    }
}

/// Removes what killed daemons of this user left in the folders. In a thread of its own: that may take long, and nothing depends on it.
pub(crate) fn remove_leftovers(spill: &SpillOptions) {
    let mut directories: Vec<PathBuf> = spill.directories.iter().map(PathBuf::from).collect();
    // The usual place is in the session's own folder: those of other sessions lie beside it.
    let sessions = directories.iter().filter_map(|path| Some((path.file_name()?, path.parent()?.parent()?)));
    let beside = sessions.filter(|(name, _)| *name == IN_SESSION).flat_map(|(name, base)| {
        let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join(name)).collect::<Vec<PathBuf>>()
    });
    let beside: Vec<PathBuf> = beside.collect();
    directories.extend(beside);
    directories.retain(|path| path.is_dir());
    if spill.is_on && !directories.is_empty() {
        start_sweep(move || {
            for directory in directories {
                trygon_store::spill::remove_leftovers(&directory);
            }
        });
    }
}
