//! Where objects are written when memory is full, and how: what was asked for, and this machine's usual place.

use crate::kinds::start_sweep;
use crate::options;
use crate::session::folder;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trygon_bucket::{Limits, is_remote};
use trygon_store::spill::SpillOptions;
use trygon_wire::control::SpillConfig;

/// The folder for objects in a session's own.
const IN_SESSION: &str = "spill";

/// Names the place, or several with spaces between them, where nothing else does.
const PLACE_VARIABLE: &str = "TRYGON_OBJECT_SPILLING_DIRECTORY";
/// Seconds that it is tried to read an object from a bucket.
const PATIENCE_VARIABLE: &str = "TRYGON_OBJECT_RESTORE_PATIENCE_S";
const PATIENCE_S: u64 = 30;

/// The options of a daemon; `session` is its session's folder, where it has one. Places that are no folders are opened.
///
/// # Errors
/// In words, when one of those cannot be written to.
pub(crate) fn spill_options(config: Option<SpillConfig>, session: Option<&Path>) -> Result<SpillOptions, String> {
    let config = config.unwrap_or_default();
    if config.is_off {
        return Ok(SpillOptions::off());
    }
    let mut spill = SpillOptions::in_directories(places(config.directories, session)?);
    let remote: Vec<String> = spill.directories.iter().filter(|place| is_remote(place)).cloned().collect();
    spill.remote = trygon_bucket::open(&remote, Limits { read_patience: read_patience()? })?;
    let positive = |value: f64| Some(value).filter(|value| *value > 0.0);
    let given = |value: u64| Some(value).filter(|value| *value > 0);
    spill.threshold = positive(config.threshold).unwrap_or(spill.threshold);
    spill.disk_share = positive(config.disk_share).unwrap_or(spill.disk_share);
    spill.file_bytes = given(config.file_bytes).unwrap_or(spill.file_bytes);
    spill.file_objects = given(config.file_objects).unwrap_or(spill.file_objects);
    spill.quota_bytes = config.quota_bytes;
    Ok(spill)
}

/// The places that were given, else those of the environment, else the usual one; each once.
fn places(given: Vec<String>, session: Option<&Path>) -> Result<Vec<String>, String> {
    let from_environment = options::text(PLACE_VARIABLE);
    let mut found = given;
    if found.is_empty() {
        found = from_environment.split_whitespace().map(str::to_owned).collect();
        if let Some(wrong) = found.iter().find(|place| !is_remote(place) && !place.starts_with('/')) {
            return Err(format!("{PLACE_VARIABLE} must name folders from / on, or s3://BUCKET/PREFIX, not {wrong:?}"));
        }
    }
    if found.is_empty() {
        found.push(usual_place(session).to_string_lossy().into_owned());
    }
    let mut places: Vec<String> = Vec::new();
    for place in found {
        let place = place.strip_prefix("file://").map_or(place.clone(), str::to_owned);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

fn read_patience() -> Result<Duration, String> {
    let text = options::text(PATIENCE_VARIABLE);
    if text.is_empty() {
        return Ok(Duration::from_secs(PATIENCE_S));
    }
    let wrong = || format!("{PATIENCE_VARIABLE} must be a whole number of seconds, not {text:?}");
    text.parse().map(Duration::from_secs).map_err(|_| wrong())
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
    let folders = spill.directories.iter().filter(|place| !is_remote(place));
    let mut directories: Vec<PathBuf> = folders.map(PathBuf::from).collect();
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
