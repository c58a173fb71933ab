//! The store's figures, as the state query `store` shows them.

use crate::server::store_server::StoreServer;
use trygon_ids::ObjectId;
use trygon_wire::control::StoredFacts;

impl StoreServer {
    /// Where an object lies on this node, for people who ask.
    pub fn stored_facts(&self, object: &ObjectId) -> Vec<StoredFacts> {
        let facts = self.table.find(object).into_iter().map(|view| {
            let catalogue = self.spilling.spiller.as_ref().map(|spiller| &spiller.catalogue);
            let file = view.part.and_then(|part| catalogue?.describe(part.file));
            let place = match (view.is_in_memory, view.part) {
                (true, _) if view.is_copy => "copy",
                (true, _) => "memory",
                (false, Some(_)) => "file",
                (false, None) => "unreadable",
            };
            StoredFacts {
                object_id: view.object.as_bytes().to_vec(),
                size_bytes: view.location.size_bytes,
                place: place.to_owned(),
                file: file.unwrap_or_default(),
                readers: view.readers as u32,
                held_for_readers: view.is_held_for_readers,
                is_looked_at: view.is_looked_at,
            }
        });
        facts.collect()
    }

    /// The figures as a JSON object.
    pub fn stats_json(&self) -> String {
        let stats = self.stats();
        let pulls = self.transfers.as_ref().map(|transfers| transfers.pulls.stats()).unwrap_or_default();
        let figures = [
            ("capacity_bytes", stats.capacity_bytes),
            ("used_bytes", stats.used_bytes),
            ("segments", stats.segments),
            ("segments_without_writer", stats.segments_without_writer),
            ("objects", stats.objects),
            ("object_bytes", stats.object_bytes),
            ("held_for_readers_bytes", stats.held_for_readers_bytes),
            ("waiting_requests", stats.waiting_requests),
            ("waiting_bytes", stats.waiting_bytes),
            ("refused_requests", stats.refused_requests),
            ("sealed_objects", stats.sealed_objects),
            ("spilled_objects", stats.spilled_objects),
            ("spilled_bytes", stats.spilled_bytes),
            ("spilled_objects_total", stats.spilled_objects_total),
            ("spilled_bytes_total", stats.spilled_bytes_total),
            ("spill_files", stats.spill_files),
            ("spill_file_bytes", stats.spill_file_bytes),
            ("spill_write_ms", self.spilling.write_time.as_millis() as u64),
            ("restored_objects_total", self.spilling.restored_objects),
            ("restored_bytes_total", self.spilling.restored_bytes),
            ("restore_read_ms", self.spilling.read_time.as_millis() as u64),
            ("looked_at_bytes", stats.looked_at_bytes),
            ("copies", pulls.copies),
            ("copy_bytes", pulls.copy_bytes),
            ("pulls_waiting", pulls.waiting),
            ("pulls_running", pulls.running),
            ("pulls_running_bytes", pulls.running_bytes),
            ("pulls_completed", pulls.completed),
            ("pulls_failed", pulls.failed),
        ];
        let fields: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}
