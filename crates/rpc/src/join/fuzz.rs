//! Doors for the fuzz targets: what the two sides of a joining read, without the TLS around it.

use crate::Versions;
use crate::authority::Authority;
use crate::join::messages::{Facts, Reply, Request, receive};
use crate::join::server::{JoinTerms, Joined, decide};
use crate::key::ClusterKey;
use crate::node_certificate::{IssuedNode, NodeKey};
use prost::Message as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use trygon_ids::NodeId;

static AUTHORITY: OnceLock<(Authority, ClusterKey)> = OnceLock::new();

fn authority() -> &'static (Authority, ClusterKey) {
    AUTHORITY.get_or_init(|| {
        let authority = Authority::create(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let authority = authority.expect("an authority");
        let key = ClusterKey::generate(authority.fingerprint()).expect("a key");
        (authority, key)
    })
}

/// The head's side: the request of a machine that knows the secret, as it comes out of TLS. Whether it was let in.
pub fn request(mut bytes: &[u8]) -> bool {
    let Ok(request) = receive::<Request>(&mut bytes) else { return false };
    let (authority, key) = authority();
    // The clock that the seeds were written with.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let versions = Versions { trygon: "0.1.0".to_owned(), protocol: 1, python: "3.11.9".to_owned() };
    let lifetime = Duration::from_secs(3600);
    let terms = JoinTerms { key, authority, versions: &versions, now, lifetime, patience: lifetime };
    let mut admitted = None;
    let answer = decide(&request, &terms, |joined: &Joined| {
        admitted = Some(joined.node);
        Ok(())
    });
    let Some((joined, issued)) = answer.accepted() else { return false };
    assert_eq!(admitted, Some(joined.node), "nobody is let in who was not looked at");
    assert!(crate::Validity::of(&issued.certificate_der).is_some());
    true
}

/// The joining side: the head's answer, as it comes out of TLS. The certificate in it must fit a key that was made before.
pub fn reply(mut bytes: &[u8]) -> bool {
    let Ok(reply) = receive::<Reply>(&mut bytes) else { return false };
    let issued = IssuedNode { certificate_der: reply.certificate, authority_der: reply.authority };
    let key = NodeKey::generate().expect("a key");
    let certified = key.certify(NodeId::new([7; NodeId::LEN]), &issued);
    assert!(certified.is_err(), "nobody has signed this key");
    true
}

/// A request of a machine with this id and this public key, framed: to begin from.
pub fn make_request(node: Vec<u8>, public_key: Vec<u8>) -> Vec<u8> {
    let versions = Versions { trygon: "0.1.0".to_owned(), protocol: 1, python: "3.11.2".to_owned() };
    let facts = Facts { node, public_key, versions: Some(versions), clock_s: 1_800_000_001 };
    framed(&Request { facts: facts.encode_to_vec(), proof: vec![9; 32] })
}

/// An answer with a certificate of this cluster, framed: to begin from.
pub fn make_reply() -> Vec<u8> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (node, key) = (NodeId::new([7; NodeId::LEN]), NodeKey::generate().expect("a key"));
    let issued = authority().0.issue_for(node, key.public_key(), now, Duration::from_secs(3600));
    let IssuedNode { certificate_der: certificate, authority_der: authority } = issued.expect("a certificate");
    framed(&Reply { certificate, authority, clock_s: 1_800_000_000, ..Reply::default() })
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    [&(body.len() as u32).to_le_bytes()[..], &body].concat()
}
