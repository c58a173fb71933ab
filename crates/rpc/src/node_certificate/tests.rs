//! A node vouches for its own processes, and for nothing else whatever it signs.

use super::*;
use crate::sample::{HOUR, JOB, authority, expect_worker, meet, node, node_id, now, service, worker, worker_id};
use crate::{Authority, Identity, explain};
use rcgen::{DnType, IsCa, SanType};

/// What the honest code refuses to make: any name, signed by this node.
fn forge(node: &NodeCertificate, name: PeerName) -> Identity {
    Identity::new(&node.maker().make(name, now(), HOUR).expect("signed")).expect("an identity")
}

/// Whether a process of another node takes `forged` for `expected`, on either side of a connection; and what it says.
fn refusals(authority: &Authority, forged: &Identity, expected: Expected) -> [String; 2] {
    let honest = worker(&node(authority, 9), 1);
    let me = expect_worker(9, 1);
    let as_client = meet((forged, me), (&honest, expected)).1.expect_err("a forged client is refused");
    let as_server = meet((&honest, expected), (forged, me)).0.expect_err("a forged server is refused");
    [explain(&as_client), explain(&as_server)]
}

#[test]
fn a_node_cannot_name_itself_otherwise() {
    let authority = authority();
    let bad = node(&authority, 1);
    let names = [
        (PeerName::Worker(worker_id(2, 1), JOB), expect_worker(2, 1)),
        (PeerName::Node(node_id(2)), Expected::Node(node_id(2))),
        (PeerName::Node(node_id(2)), Expected::AnyNode),
        (PeerName::Control, Expected::Control),
    ];
    for (name, expected) in names {
        for said in refusals(&authority, &forge(&bad, name), expected) {
            assert!(said.contains("NameConstraintViolation"), "{name}: {said}");
        }
    }
}

#[test]
fn a_node_cannot_make_another_signer() {
    let authority = authority();
    let bad = node(&authority, 1);
    let key = new_key().expect("a key");
    // Its domains are those of the node, so that only the length of the path speaks against it.
    let mut params = node_params(&bad.node, now(), HOUR, i64::MAX).expect("params");
    params.distinguished_name.push(DnType::CommonName, "below");
    let below = params.signed_by(&key, &bad.issuer).expect("signed");
    let issuer = Issuer::new(params, key);
    let maker = Maker { issuer: &issuer, above: Some(below.der()), authority: &bad.authority, ends_s: i64::MAX };
    let certificate = maker.make(PeerName::Worker(worker_id(1, 1), JOB), now(), HOUR).expect("signed");
    let mut chain: Vec<_> = certificate.chain().iter().map(|part| part.to_vec()).collect();
    chain.push(bad.certificate.to_vec());
    let key = certificate.private_key_der().to_vec();
    let forged = Identity::new(&ProcessCertificate::from_der(chain, key, bad.authority.to_vec())).expect("an identity");
    for said in refusals(&authority, &forged, expect_worker(1, 1)) {
        assert!(said.contains("PathLenConstraintViolated"), "{said}");
    }
}

#[test]
fn a_process_cannot_sign() {
    let authority = authority();
    let honest = node(&authority, 1);
    let process = honest.issue_process(worker_id(1, 1), JOB, now(), HOUR).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(process.private_key_der());
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, worker_id(1, 1).hex());
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::new(params, KeyPair::try_from(&key).expect("its key"));
    let maker =
        Maker { issuer: &issuer, above: Some(&process.chain()[0]), authority: &honest.authority, ends_s: i64::MAX };
    let made = maker.make(PeerName::Worker(worker_id(1, 2), JOB), now(), HOUR).expect("signed");
    let mut chain: Vec<_> = made.chain().iter().map(|part| part.to_vec()).collect();
    chain.push(honest.certificate.to_vec());
    let private_key = made.private_key_der().to_vec();
    let forged = Identity::new(&ProcessCertificate::from_der(chain, private_key, honest.authority.to_vec()))
        .expect("an identity");
    for said in refusals(&authority, &forged, expect_worker(1, 2)) {
        assert!(said.contains("EndEntityUsedAsCa"), "{said}");
    }
}

#[test]
fn a_certificate_of_two_names_or_a_pattern_is_nobody() {
    let authority = authority();
    let bad = node(&authority, 1);
    let mine = PeerName::Worker(worker_id(1, 1), JOB).dns();
    let pattern = format!("*.{}", crate::names::worker_domain(&bad.node));
    for names in [vec![mine.clone(), PeerName::Worker(worker_id(1, 2), JOB).dns()], vec![pattern], vec![]] {
        let key = new_key().expect("a key");
        let mut params = params_for("anybody", now(), HOUR, i64::MAX).expect("params");
        params.subject_alt_names =
            names.into_iter().map(|name| SanType::DnsName(name.try_into().expect("a name"))).collect();
        params.is_ca = IsCa::ExplicitNoCa;
        let certificate = params.signed_by(&key, &bad.issuer).expect("signed");
        let verifier =
            Verifier::new(anchor(&bad.authority).expect("an anchor"), Expected::Worker(worker_id(1, 1), JOB));
        let error = verifier
            .verify_client_cert(certificate.der(), std::slice::from_ref(&bad.certificate), UnixTime::now())
            .expect_err("no name");
        assert!(explain(&error).contains("is named otherwise"), "{error}");
    }
}

#[test]
fn a_node_makes_certificates_for_its_own_processes_only() {
    let node = node(&authority(), 1);
    let error = node.issue_process(worker_id(2, 1), JOB, now(), HOUR).expect_err("another node's").to_string();
    assert!(error.contains("for its own processes only"), "{error}");
}

#[test]
fn a_process_certificate_ends_with_the_node_s() {
    let authority = authority();
    let node = authority.issue_node(node_id(1), now(), HOUR).expect("a certificate");
    let process = node.issue_process(worker_id(1, 1), JOB, now(), 24 * HOUR).expect("a certificate");
    assert_eq!(process.validity().expect("a validity").not_after_s, node.validity().not_after_s);
    assert!(!node.needs_renewal(now()));
    assert!(node.needs_renewal(now() + HOUR * 3 / 4));
    let error = node.issue_process(worker_id(1, 1), JOB, now() + 2 * HOUR, HOUR).expect_err("ended").to_string();
    assert!(error.contains("this machine's clock says"), "{error}");
}

#[test]
fn a_renewed_certificate_takes_the_place_of_the_old_one() {
    let authority = authority();
    let key = NodeKey::generate().expect("a key");
    let issued = authority.issue_for(node_id(1), key.public_key(), now(), 2 * HOUR).expect("a certificate");
    let renewed = key.certify(node_id(1), &issued).expect("it fits");
    let old = node(&authority, 1);
    let (first, second) = (worker(&old, 1), worker(&renewed, 2));
    let outcome = meet((&first, expect_worker(1, 2)), (&second, expect_worker(1, 1)));
    assert_eq!(outcome, (Ok(()), Ok(())));
    assert_eq!(meet((&service(&renewed), Expected::AnyNode), (&service(&old), Expected::AnyNode)), (Ok(()), Ok(())));
}

#[test]
fn a_certificate_that_does_not_fit_shows_at_once() {
    let authority = authority();
    let other = NodeKey::generate().expect("a key");
    let of_other_key = authority.issue_for(node_id(1), other.public_key(), now(), HOUR).expect("a certificate");
    let refused = |node, issued: &IssuedNode| {
        NodeKey::generate().expect("a key").certify(node, issued).expect_err("it does not fit").to_string()
    };
    assert!(refused(node_id(1), &of_other_key).contains("does not fit this node"));
    let empty = IssuedNode { certificate_der: Vec::new(), authority_der: of_other_key.authority_der.clone() };
    assert!(refused(node_id(1), &empty).contains("holds no certificate"));
    let key = NodeKey::generate().expect("a key");
    let of_other_node = authority.issue_for(node_id(2), key.public_key(), now(), HOUR).expect("a certificate");
    assert!(key.certify(node_id(1), &of_other_node).is_err());
    let key = NodeKey::generate().expect("a key");
    let mut of_other_authority = authority.issue_for(node_id(1), key.public_key(), now(), HOUR).expect("a certificate");
    of_other_authority.authority_der = crate::sample::authority().certificate().to_vec();
    assert!(key.certify(node_id(1), &of_other_authority).is_err());
}

#[test]
fn keys_do_not_show_themselves() {
    let node = node(&authority(), 1);
    let process = node.issue_process(worker_id(1, 1), JOB, now(), HOUR).expect("a certificate");
    let shown = format!("{node:?} {process:?} {:?} {:?}", NodeKey::generate().expect("a key"), worker(&node, 2));
    assert!(shown.len() < 400, "{shown}");
}
