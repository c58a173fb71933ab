//! Names are read as they were written, and nothing else is a name.

use super::*;
use proptest::prelude::*;

fn names() -> impl Strategy<Value = PeerName> {
    prop_oneof![
        Just(PeerName::Control),
        any::<[u8; 28]>().prop_map(|bytes| PeerName::Node(NodeId::new(bytes))),
        (any::<[u8; 28]>(), any::<[u8; 4]>())
            .prop_map(|(worker, job)| PeerName::Worker(WorkerId::new(worker), JobId::new(job))),
    ]
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_was_written(name in names()) {
        let dns = name.dns();
        prop_assert_eq!(PeerName::parse(&dns), Some(name));
        prop_assert!(dns.len() <= 253 && dns.split('.').all(|label| label.len() <= 63), "{} is no DNS name", dns);
        prop_assert_eq!(PeerName::parse(&dns.to_uppercase()), None);
        prop_assert_eq!(PeerName::parse(&format!("x{dns}")), None);
        prop_assert_eq!(PeerName::parse(&dns[1..]), None);
    }

    #[test]
    fn any_text_is_a_name_or_none(text in "[w0-9a-f.*]{0,90}(\\.worker\\.trygon|\\.node\\.trygon)?") {
        if let Some(name) = PeerName::parse(&text) {
            prop_assert_eq!(name.dns(), text);
        }
    }

    #[test]
    fn who_is_expected_is_accepted_and_nobody_else(first in names(), second in names()) {
        let expected = match first {
            PeerName::Control => Expected::Control,
            PeerName::Node(node) => Expected::Node(node),
            PeerName::Worker(worker, job) => Expected::Worker(worker, job),
        };
        prop_assert!(expected.accepts(&first));
        prop_assert_eq!(expected.accepts(&second), first == second);
        prop_assert_eq!(Expected::AnyNode.accepts(&second), matches!(second, PeerName::Node(_)));
    }
}

#[test]
fn a_process_stands_in_the_domain_of_its_node() {
    let node = NodeId::new([5; 28]);
    let worker = crate::sample::worker_id(5, 3);
    assert!(PeerName::Worker(worker, JobId::new([0; 4])).dns().ends_with(&worker_domain(&node)));
    assert!(is_process_of(&worker, &node));
    assert!(!is_process_of(&worker, &NodeId::new([6; 28])));
    assert_eq!(
        PeerName::Worker(worker, JobId::new([1, 0, 0, 0])).dns(),
        format!("w0000000000000003.01000000.{}.worker.trygon", "05".repeat(20))
    );
}
