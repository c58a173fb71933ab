//! Effects of the store's brain, carried out.

use crate::server::provision::Made;
use crate::server::store_server::{Outgoing, StoreServer};
use std::os::fd::OwnedFd;
use trygon_ids::{SegmentId, WorkerId};
use trygon_store_core::{Effect, RefuseCause};
use trygon_wire::control::{Reclaim, SegmentGranted, SegmentMapped, SegmentRefused, WatchSegment};
use trygon_wire::{Kind, encode};

impl StoreServer {
    /// Carries out what has been decided, until nothing is left.
    pub(crate) fn perform(&mut self, now_ms: u64) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        // Making a segment leads to further effects, hence the loop.
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform_one(effect, now_ms, &mut outgoing);
            }
            self.perform_pulls(now_ms, &mut outgoing);
            if self.effects.is_empty() && self.table.has_waiting() {
                // Somebody waits for memory: what copies left empty goes back at once.
                self.give_back_empty(now_ms);
            }
            if self.effects.is_empty() {
                break;
            }
        }
        outgoing
    }

    /// Tells the brain what became of a segment.
    pub(crate) fn finish(&mut self, made: Made, now_ms: u64) {
        match made {
            Made::Ready(id, segment) => {
                self.segments.insert(id, segment);
                self.table.on_created(id, &mut self.effects);
            }
            Made::Failed(id) => self.table.on_create_failed(id, now_ms, &mut self.effects),
        }
    }

    fn perform_one(&mut self, effect: Effect, now_ms: u64, outgoing: &mut Vec<Outgoing>) {
        match effect {
            Effect::Create { segment, size_bytes } => {
                if let Some(made) = self.provisioning.begin(segment, size_bytes) {
                    self.finish(made, now_ms);
                }
            }
            Effect::Grant { to, request_id, segment, .. } if self.is_own(to) => self.on_own_grant(request_id, segment),
            Effect::Refuse { to, request_id, cause, .. } if self.is_own(to) => {
                self.spilling.copies_lack_disk = cause == RefuseCause::DiskFull;
                self.on_own_refusal(request_id);
            }
            Effect::Reclaim { to, range } if self.is_own(to) => self.on_own_reclaim(&range),
            Effect::Grant { to, request_id, segment, size_bytes } => {
                outgoing.push(self.grant(to, request_id, segment, size_bytes));
            }
            Effect::Refuse { to, request_id, size_bytes, used_bytes, cause } => {
                outgoing.push(self.refuse(to, request_id, size_bytes, used_bytes, cause));
            }
            Effect::Map { to, segment, size_bytes, watched } => {
                outgoing.push(self.map(to, segment, size_bytes, watched));
            }
            Effect::Watch { to, segment } => {
                let message = WatchSegment { segment_id: segment.0 };
                outgoing.push(Outgoing { to, frame: encode(Kind::WatchSegment, &message), descriptor: None });
            }
            Effect::Write { file, parts } => self.write_file(file, &parts, now_ms),
            Effect::DeleteFile { file } => self.spilling.delete(file),
            Effect::Reclaim { to, range } => {
                let message = Reclaim {
                    segment_id: range.segment.0,
                    offset_bytes: range.offset_bytes,
                    size_bytes: range.size_bytes,
                };
                outgoing.push(Outgoing { to, frame: encode(Kind::Reclaim, &message), descriptor: None });
            }
            Effect::Trim { segment, ranges } => {
                for (offset, len) in ranges {
                    self.erase(segment, offset, len);
                }
            }
            Effect::Release { segment, erase } => {
                self.provisioning.cancel(segment);
                self.forget_served(segment);
                self.spilling.mappings.remove(&segment);
                if let Some(segment) = self.segments.remove(&segment).filter(|_| erase) {
                    self.provisioning.erase(segment);
                }
            }
        }
    }

    /// Pages that the system does not take back stay until the last process unmaps them; nothing depends on it.
    fn erase(&self, segment: SegmentId, offset_bytes: u64, len_bytes: u64) {
        if let Some(segment) = self.segments.get(&segment) {
            let _ = segment.erase(offset_bytes, len_bytes);
        }
    }

    fn grant(&mut self, to: WorkerId, request_id: u64, segment: SegmentId, size_bytes: u64) -> Outgoing {
        let descriptor = self.segments.get(&segment).and_then(|segment| segment.writable_descriptor().ok());
        if descriptor.is_none() {
            // No descriptor left in this process. The writer never learns of the segment, so it goes again with its word.
            self.table.on_segment_return(to, segment, 0, &mut self.effects);
            return self.refuse(to, request_id, size_bytes, self.table.stats().used_bytes, RefuseCause::Full);
        }
        let message = SegmentGranted { request_id, segment_id: segment.0, size_bytes };
        Outgoing { to, frame: encode(Kind::SegmentGranted, &message), descriptor }
    }

    fn map(&self, to: WorkerId, segment: SegmentId, size_bytes: u64, watched: bool) -> Outgoing {
        let descriptor: Option<OwnedFd> = self
            .segments
            .get(&segment)
            .filter(|_| size_bytes > 0)
            .and_then(|segment| segment.read_only_descriptor().ok());
        let size_bytes = if descriptor.is_some() { size_bytes } else { 0 };
        let message = SegmentMapped { segment_id: segment.0, size_bytes, watched };
        Outgoing { to, frame: encode(Kind::SegmentMapped, &message), descriptor }
    }

    fn refuse(&self, to: WorkerId, request_id: u64, size_bytes: u64, used_bytes: u64, cause: RefuseCause) -> Outgoing {
        let capacity_bytes = self.options.capacity_bytes;
        let disk_full = cause == RefuseCause::DiskFull;
        let message = if disk_full {
            self.disk_full_text(&format!("no space for {}", in_megabytes(size_bytes)))
        } else if size_bytes > capacity_bytes {
            format!(
                "An object of {} is larger than the whole object store ({}). Start with a larger `object_store_memory`, or split the object.",
                in_megabytes(size_bytes),
                in_megabytes(capacity_bytes),
            )
        } else {
            format!(
                "The object store is full: {} of {} are in use, {}and no space for {} came free within {} s. \
                 Drop references to objects that are not needed any more, or start with a larger `object_store_memory`.",
                in_megabytes(used_bytes),
                in_megabytes(capacity_bytes),
                self.looked_at_text(),
                in_megabytes(size_bytes),
                self.options.wait_ms / 1000,
            )
        };
        let message = SegmentRefused { request_id, capacity_bytes, used_bytes, message, disk_full };
        Outgoing { to, frame: encode(Kind::SegmentRefused, &message), descriptor: None }
    }
}

pub(crate) fn in_megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
