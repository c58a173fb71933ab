//! The engine's kinds of errors, and the class that stands for each in programs.

use crate::{PAGES, class_of};

const CLASSES: &[(&str, &str)] = &[
    ("user", "RayTaskError"),
    ("worker_died", "WorkerCrashedError"),
    ("out_of_memory", "OutOfMemoryError"),
    ("actor_died", "ActorDiedError"),
    ("actor_out_of_memory", "OutOfMemoryError"),
    ("actor_unavailable", "ActorUnavailableError"),
    ("actor_init_failed", "ActorDiedError"),
    ("owner_died", "OwnerDiedError"),
    ("object_lost", "ObjectLostError"),
    ("object_reconstruction_failed", "ObjectReconstructionFailedError"),
    ("object_fetch_timed_out", "ObjectFetchTimedOutError"),
    ("object_freed", "ObjectFreedError"),
    ("cancelled", "TaskCancelledError"),
    ("store_full", "ObjectStoreFullError"),
    ("out_of_disk", "OutOfDiskError"),
    ("node_died", "LocalRayletDiedError"),
    ("replay_inconsistent", "StreamingGeneratorReplayInconsistentError"),
    ("runtime_env_failed", "RuntimeEnvSetupError"),
    ("task_placement_group_removed", "TaskPlacementGroupRemoved"),
    ("task_unschedulable", "TaskUnschedulableError"),
];

/// The class of an error of this kind, and its code: that of everything without a page of its own where the kind has none.
pub fn class_and_code(kind: &str) -> (&'static str, &'static str) {
    let class = CLASSES.iter().find(|(known, _)| *known == kind).map_or("RaySystemError", |(_, class)| class);
    let page = PAGES.iter().find(|(_, page)| class_of(page) == Some(class));
    (class, page.map_or("", |(code, _)| code))
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, class_and_code};

    #[test]
    fn every_kind_has_a_page() {
        for (kind, class) in CLASSES {
            let (found, code) = class_and_code(kind);
            assert_eq!(found, *class);
            assert!(code.starts_with("TRY"), "{kind}");
        }
        assert_eq!(class_and_code("worker_died"), ("WorkerCrashedError", "TRY0003"));
        assert_eq!(class_and_code("nobody's").0, "RaySystemError");
    }
}
