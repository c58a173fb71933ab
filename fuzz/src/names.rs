//! Short texts out of files, certificates and messages. Input: one byte for which, then the text.

use trygon_placement::{Demand, Labels};
use trygon_resources::{Amount, ResourceSet};
use trygon_rpc::{ClusterKey, PeerName, PortRange};

/// What was accepted, written again, says the same.
pub(crate) fn names(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match which % 5 {
        0 => {
            if let Ok(key) = ClusterKey::from_text(text) {
                assert_eq!(key.to_text().as_str(), text.trim().to_ascii_lowercase());
            }
        }
        1 => {
            if let Some(name) = PeerName::parse(text) {
                assert_eq!(name.dns(), text);
            }
        }
        2 => {
            if let Some(range) = PortRange::parse(text) {
                assert!(range.first > 0 && range.first <= range.last);
                assert_eq!(PortRange::parse(&range.to_string()), Some(range));
            }
        }
        3 => demand(text),
        _ => {
            // A line of /proc/<pid>/stat.
            let _ = trygon_processes::fuzz::parent_in(text);
        }
    }
}

/// Names of resources, one a line: what a process writes when it asks for a lease.
fn demand(text: &str) {
    let named: ResourceSet = text.lines().map(|name| (name.to_owned(), Amount::whole(1))).collect();
    let demand = Demand::parse(&named);
    let _ = demand.describe();
    let again = Demand::parse(&demand.named());
    assert_eq!((&again.amounts, &again.node, &again.labels), (&demand.amounts, &demand.node, &demand.labels));
    let labels = Labels::from([("zone".to_owned(), "a".to_owned())]);
    for selectors in [&demand.labels, &demand.wishes.soft_labels].into_iter().flatten() {
        let _ = trygon_placement::is_met(selectors, &labels);
    }
}
