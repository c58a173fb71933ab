//! Ends of the process at chosen moments of a write, for tests: a power cut of one's own making.

use std::collections::BTreeMap;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// Nothing of the append is in the file.
    BeforeWrite,
    /// Half of it is.
    HalfWrite,
    /// It is written and not on the disk.
    BeforeSync,
    /// It is on the disk, and nobody knows.
    AfterSync,
    /// A snapshot is written beside the one that counts.
    BeforeSnapshot,
    /// The snapshot counts, and the old journal is still there.
    AfterSnapshot,
    /// A new journal was begun, and the old files are still there.
    BeforeRemoval,
}

const NAMES: [(&str, Point); 7] = [
    ("before-write", Point::BeforeWrite),
    ("half-write", Point::HalfWrite),
    ("before-sync", Point::BeforeSync),
    ("after-sync", Point::AfterSync),
    ("before-snapshot", Point::BeforeSnapshot),
    ("after-snapshot", Point::AfterSnapshot),
    ("before-removal", Point::BeforeRemoval),
];

/// How often each point is still passed.
#[derive(Debug, Default)]
pub(super) struct Faults {
    left: BTreeMap<Point, u64>,
}

impl Faults {
    /// `POINT:N` with commas between them: the process kills itself when it passes that point for the Nth time.
    pub(super) fn read(text: &str) -> Self {
        let read = |word: &str| {
            let (name, count) = word.split_once(':')?;
            let point = NAMES.iter().find(|(known, _)| *known == name)?.1;
            Some((point, count.parse().ok()?))
        };
        Self { left: text.split(',').filter_map(read).collect() }
    }

    /// Whether the process is to end here.
    pub(super) fn is_due(&mut self, point: Point) -> bool {
        let Some(left) = self.left.get_mut(&point) else { return false };
        *left = left.saturating_sub(1);
        *left == 0
    }

    /// Ends the process here if it is to.
    pub(super) fn pass(&mut self, point: Point) {
        if self.is_due(point) {
            self.end();
        }
    }

    /// As `kill -9` does.
    pub(super) fn end(&self) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
