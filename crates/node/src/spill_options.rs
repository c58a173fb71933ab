//! Where objects are written when memory is full, and how: what was asked for, and this machine's usual place.

use crate::options;
use crate::session::folder;
use std::path::{Path, PathBuf};
use trygon_store::spill::SpillOptions;
use trygon_wire::control::SpillConfig;

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
    let in_memory = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    let on_disk = session.filter(|session| in_memory.as_ref().is_none_or(|folder| !session.starts_with(folder)));
    match on_disk {
        Some(session) => session.join("spill"),
        None => options::folder(folder::BASE_VARIABLE).unwrap_or_else(std::env::temp_dir),
    }
}

/// Removes what killed daemons of this user left in the folders. In a thread of its own: that may take long, and nothing depends on it.
pub(crate) fn remove_leftovers(spill: &SpillOptions) {
    let directories: Vec<PathBuf> = spill.directories.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect();
    if spill.is_on && !directories.is_empty() {
        let _ = std::thread::Builder::new().name("spill-sweep".to_owned()).spawn(move || {
            for directory in directories {
                trygon_store::spill::remove_leftovers(&directory);
            }
        });
    }
}
