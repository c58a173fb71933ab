//! Wire types to the brains' types and back.

use trygon_control_core as control;
use trygon_node_core::DeviceList;
use trygon_wire::control as wire;

pub(crate) use trygon_control::{actor_id, amounts, group_id, resource_set, worker_id};

/// Device instances for a frame.
pub(crate) fn devices(devices: DeviceList) -> Vec<wire::Devices> {
    devices.into_iter().map(|(resource, indices)| wire::Devices { resource, indices }).collect()
}

/// What happened to a task, for the record.
pub(crate) fn task_event(event: wire::TaskEvent) -> control::TaskEvent {
    control::TaskEvent {
        task_id: event.task_id,
        name: event.name,
        state: event.state,
        attempt: event.attempt,
        time_us: event.time_us,
        duration_us: event.duration_us,
        worker_id: event.worker_id,
        error: event.error,
    }
}
