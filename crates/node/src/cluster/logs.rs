//! Lines for drivers on other nodes.

use crate::service::Service;
use trygon_ids::JobId;
use trygon_proto::v1::LogsForDriver;
use trygon_proto::v1::node_to_node::Body;
use trygon_wire::control::LogLines;

impl Service {
    /// Whether lines may be sent to other nodes now.
    pub(crate) fn has_log_room(&mut self) -> bool {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return true;
        };
        cluster.log_room.is_open(now_ms)
    }

    /// Sends lines to a job's driver on another node, if it has one there.
    pub(crate) fn send_lines_far(&mut self, job: JobId, lines: &LogLines) {
        let Some(driver) = self.jobs.get(&job).filter(|job| !job.is_ending).and_then(|job| job.remote_driver) else {
            return;
        };
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let Some(node) = cluster.nodes.of_worker(driver) else {
            return;
        };
        cluster.log_room.note_sent(lines.lines.iter().map(|line| line.len() + 8).sum::<usize>());
        let message = LogsForDriver { driver: driver.as_bytes().to_vec(), lines: Some(lines.clone()) };
        self.tell_node(node, Body::Logs(message));
    }

    pub(crate) fn on_logs_deadline(&mut self) {
        let now_ms = self.now_ms();
        // The turn that ends publishes what waits.
        if let Some(cluster) = &mut self.cluster
            && cluster.log_room.retry_ms.is_some_and(|retry_ms| retry_ms <= now_ms)
        {
            cluster.log_room.retry_ms = None;
        }
    }
}
