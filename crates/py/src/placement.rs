//! Placement groups: creation, removal, waiting; and the names under which tasks ask for a part of one.

use crate::codec::encode;
use crate::errors;
use crate::reference::ObjectRef;
use crate::session::{self, Captured, Session};
use crate::waiting::patience;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use trygon_ids::PlacementGroupId;
use trygon_wire::control;
use trygon_worker::GroupState;
use trygon_worker::core::SmallBytes;

/// What everything in a group takes a little of, so that what needs nothing else is in it too.
const MARKER: (&str, f64) = ("bundle", 0.001);
/// Says that children run in the group too.
const CAPTURE: &str = "capture";
const GROUP: &str = "_group_";
/// Names that say where, and not how much: they are not of a group.
const PLACES: [&str; 6] = ["node_id:", "labels:", "soft_node_id:", "near_node_id:", "soft_labels:", "strategy:"];

/// Where a task is to run: `None`, where its parent wants it; an empty text, outside of groups; otherwise in the group (or bundle, an
/// underline, and group) of this name, with its children if the second is true.
pub(crate) type Placement = Option<(String, bool)>;

/// Named amounts as the daemon reads them: of the node, or of a group.
pub(crate) fn placed<I: IntoIterator<Item = (String, f64)> + FromIterator<(String, f64)> + Clone>(
    resources: &I,
    placement: &Placement,
) -> I {
    let Some((part, captures)) = placement.as_ref().filter(|(part, _)| !part.is_empty()) else {
        return resources.clone();
    };
    let rename = |(name, amount): (String, f64)| match PLACES.iter().any(|place| name.starts_with(place)) {
        true => (name, amount),
        false => (format!("{name}{GROUP}{part}"), amount),
    };
    let marker = std::iter::once((format!("{}{GROUP}{part}", MARKER.0), MARKER.1));
    let capture = captures.then(|| (format!("{CAPTURE}{GROUP}{part}"), 1.0));
    resources.clone().into_iter().map(rename).chain(marker).chain(capture).collect()
}

/// What a lease holds, without names of groups; the group; whether children are captured.
pub(crate) fn unplaced(resources: Vec<(String, f64)>) -> (BTreeMap<String, f64>, Option<String>, bool) {
    let (mut plain, mut group, mut captures) = (BTreeMap::new(), None, false);
    for (name, amount) in resources {
        if PLACES.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let Some((resource, part)) = name.rsplit_once(GROUP) else {
            plain.insert(name, amount);
            continue;
        };
        group = Some(part.rsplit_once('_').map_or(part, |(_, id)| id).to_owned());
        match resource {
            CAPTURE => captures = true,
            _ if resource == MARKER.0 => {}
            _ => {
                plain.insert(resource.to_owned(), amount);
            }
        }
    }
    (plain, group, captures)
}

impl Session {
    /// Notes what runs from now on in this worker: whether it has a group that captures.
    pub(crate) fn note_placement(&self, resources: Vec<(String, f64)>) {
        let is_placed = resources.iter().any(|(name, _)| name.starts_with(CAPTURE));
        if !is_placed && self.capture_number.load(Ordering::Relaxed) == 0 {
            return;
        }
        let (_, group, captures) = unplaced(resources);
        let mut known = self.captured.lock();
        let Some(group) = group.filter(|_| captures) else {
            self.capture_number.store(0, Ordering::Relaxed);
            return;
        };
        let number = match known.iter().find(|captured| captured.group == group) {
            Some(captured) => captured.number,
            None => {
                let number = known.len() as u64 + 1;
                known.push(Captured { number, group });
                number
            }
        };
        self.capture_number.store(number, Ordering::Relaxed);
    }

    /// Where what is submitted now runs, if it says nothing of it.
    pub(crate) fn inherited(&self) -> (u64, Placement) {
        let number = self.capture_number.load(Ordering::Relaxed);
        if number == 0 {
            return (0, None);
        }
        let known = self.captured.lock();
        let captured = known.iter().find(|captured| captured.number == number);
        (number, captured.map(|captured| (captured.group.clone(), true)))
    }
}

fn group_id(bytes: &[u8]) -> PyResult<PlacementGroupId> {
    PlacementGroupId::from_bytes(bytes).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Creates a placement group; returns its id. Only one with a name is waited for, because the name may be taken.
#[pyfunction]
#[pyo3(signature = (bundles, strategy, *, name, namespace, labels, target, detached))]
pub(crate) fn create_placement_group<'py>(
    py: Python<'py>,
    bundles: Vec<BTreeMap<String, f64>>,
    strategy: String,
    name: String,
    namespace: Option<String>,
    labels: Vec<String>,
    target: Vec<u8>,
    detached: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let session = session::require(py)?;
    let group = new_group_id(&session)?;
    let creator = session.running.lock().actor;
    let message = control::CreatePlacementGroup {
        request_id: 0,
        group_id: group.as_bytes().to_vec(),
        name,
        namespace: namespace.unwrap_or_else(|| session.setup.namespace.clone()),
        strategy,
        bundles: bundles.into_iter().map(|resources| control::Bundle { resources }).collect(),
        labels,
        detached,
        target_node: target,
        creator_actor: creator.map(|actor| actor.as_bytes().to_vec()).unwrap_or_default(),
    };
    let runtime = &session.runtime;
    if message.name.is_empty() {
        runtime.create_placement_group(message).map_err(|error| errors::request(py, &error))?;
    } else {
        let created = crate::gil::detached(py, || runtime.create_placement_group(message));
        created.map_err(|error| errors::request(py, &error))?;
    }
    Ok(PyBytes::new(py, group.as_bytes()))
}

fn new_group_id(session: &Arc<Session>) -> PyResult<PlacementGroupId> {
    let mut bytes = [0; PlacementGroupId::LEN];
    bytes[..4].copy_from_slice(session.setup.identity.job.as_bytes());
    rustix::rand::getrandom(&mut bytes[4..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| pyo3::exceptions::PyOSError::new_err(error.to_string()))?;
    Ok(PlacementGroupId::new(bytes))
}

/// Removes a placement group and ends what runs in it. Does not wait.
#[pyfunction]
pub(crate) fn remove_placement_group(py: Python<'_>, group_id: &[u8]) -> PyResult<()> {
    let group = self::group_id(group_id)?;
    session::require(py)?.runtime.remove_placement_group(group);
    Ok(())
}

/// Waits until a placement group is reserved or gone: `CREATED`, `REMOVED`, `UNKNOWN`; `PENDING` when the time is over.
#[pyfunction]
#[pyo3(signature = (group_id, timeout=None))]
pub(crate) fn wait_placement_group(py: Python<'_>, group_id: &[u8], timeout: Option<f64>) -> PyResult<&'static str> {
    let group = self::group_id(group_id)?;
    let session = session::require(py)?;
    let patience = patience(py, &session, timeout)?;
    let runtime = &session.runtime;
    runtime.wait_for_group(group);
    let waited = crate::gil::wait(py, runtime, &patience, |engine| {
        engine.group_state(group) != GroupState::Pending || engine.is_closed()
    });
    let state = runtime.stop_waiting_for_group(group);
    waited?;
    if runtime.lock().is_closed() {
        return Err(errors::request(py, &trygon_worker::RequestError::Closed));
    }
    Ok(match state {
        GroupState::Pending => "PENDING",
        GroupState::Created => "CREATED",
        GroupState::Removed => "REMOVED",
        GroupState::Unknown => "UNKNOWN",
    })
}

/// A reference that has `value` when the group is reserved.
#[pyfunction]
pub(crate) fn placement_group_ready(py: Python<'_>, group_id: &[u8], value: &Bound<'_, PyAny>) -> PyResult<ObjectRef> {
    let group = self::group_id(group_id)?;
    let session = session::require(py)?;
    let mut encoded = encode(value)?;
    encoded.flatten(py);
    let (slot, generation) = session.runtime.promise_of_group(group, SmallBytes::copy_of(&encoded.head));
    Ok(ObjectRef::own(&session, slot, generation, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_come_and_go() {
        let plain = BTreeMap::from([("CPU".to_owned(), 2.0), ("node_id:ab".to_owned(), 1.0)]);
        let placement = Some(("3_0123".to_owned(), true));
        let named = placed(&plain, &placement);
        let names: Vec<&str> = named.keys().map(String::as_str).collect();
        assert_eq!(names, ["CPU_group_3_0123", "bundle_group_3_0123", "capture_group_3_0123", "node_id:ab"]);
        let (back, group, captures) = unplaced(named.into_iter().collect());
        assert_eq!(back, BTreeMap::from([("CPU".to_owned(), 2.0)]));
        assert_eq!((group.as_deref(), captures), (Some("0123"), true));
        assert_eq!(placed(&plain, &None), plain);
    }
}
