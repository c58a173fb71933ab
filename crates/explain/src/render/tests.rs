//! How things read.

use super::render;
use serde_json::json;

#[test]
fn what_is_known_is_shown() {
    let shown = render(&[json!({
        "kind": "placement_group", "id": "00ff", "name": "g", "state": "PENDING", "why": "no node has 8 CPU",
        "needs": [{"CPU": 8.0}], "node_id": "",
        "bundles": [{"index": 0, "state": "RESERVED", "node_id": "aabbccddeeff00", "needs": {"CPU": 1.0}}],
        "history": [{"time": "2026-11-21 10:00:00.000 UTC", "what": "was asked for"}],
    })]);
    let parts = [
        "placement group g 00ff",
        "PENDING",
        "no node has 8 CPU",
        "CPU: 8",
        "0: CPU: 1 RESERVED on node aabbccddeeff",
        "history      2026-11-21 10:00:00.000 UTC was asked for",
    ];
    for part in parts {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("node id"), "{shown}");
}

#[test]
fn a_story_is_shown_line_by_line() {
    let story = json!({"kind": "task", "id": "01", "name": "f", "state": "RUNNING", "lines": [["state", "RUNNING"], ["owner", "process 7"]]});
    assert_eq!(render(&[story]), "task f 01\n  state        RUNNING\n  owner        process 7\n");
}
