//! Who accepts whom, in whole handshakes, and what is said of a refusal.

use super::*;
use crate::sample::{
    HOUR, JOB, authority, expect_worker, meet, node, node_id, now, service, shake_hands, worker, worker_id,
};
use crate::{Identity, NodeCertificate, any_server_name};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, ProtocolVersion};
use std::time::SystemTime;
use trygon_ids::JobId;

/// A process whose certificate was made when its node's clock said `at`.
fn made_at(node: &NodeCertificate, at: SystemTime) -> Identity {
    Identity::new(&node.issue_process(worker_id(1, 2), JOB, at, HOUR).expect("a certificate")).expect("an identity")
}

#[test]
fn processes_of_a_job_accept_each_other() {
    let authority = authority();
    let (first, second) = (worker(&node(&authority, 1), 1), worker(&node(&authority, 2), 1));
    let mut client = first.connect(expect_worker(2, 1)).expect("a client");
    let mut server = second.accept(expect_worker(1, 1)).expect("a server");
    assert_eq!(shake_hands(&mut client, &mut server), (Ok(()), Ok(())));
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(
        client.negotiated_cipher_suite().map(|suite| suite.suite()),
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256)
    );
    assert_eq!(client.peer_certificates().and_then(peer_name), Some(second.name()));
    assert_eq!(server.peer_certificates().and_then(peer_name), Some(PeerName::Worker(worker_id(1, 1), JOB)));
}

#[test]
fn whoever_is_not_expected_is_refused_by_either_side() {
    let authority = authority();
    let own_node = node(&authority, 1);
    let (first, second) = (worker(&own_node, 1), worker(&own_node, 2));
    let (me, you) = (expect_worker(1, 1), expect_worker(1, 2));
    let others = [
        expect_worker(1, 3),
        expect_worker(2, 2),
        Expected::Worker(worker_id(1, 2), JobId::new([9; 4])),
        Expected::Node(node_id(1)),
        Expected::AnyNode,
        Expected::Control,
    ];
    for other in others {
        let refusal = meet((&first, other), (&second, me)).0.expect_err("the server is another");
        assert!(explain(&refusal).contains(&format!("expected {other}, but the other side is process")), "{refusal}");
        let outcome = meet((&second, me), (&first, other));
        let refusal = outcome.1.expect_err("the client is another");
        assert!(explain(&refusal).contains(&format!("expected {other}, but the other side is process")), "{refusal}");
        let told = outcome.0.expect_err("the client is told");
        assert!(explain(&told).contains("refused this side's certificate"), "{told}");
    }
    assert_eq!(meet((&first, you), (&second, me)), (Ok(()), Ok(())));
}

#[test]
fn daemons_and_the_control_service_know_each_other() {
    let authority = authority();
    let (first, second) = (service(&node(&authority, 1)), service(&node(&authority, 2)));
    let control = Identity::new(&authority.issue_control(now(), HOUR).expect("a certificate")).expect("an identity");
    assert_eq!(meet((&first, Expected::Control), (&control, Expected::AnyNode)), (Ok(()), Ok(())));
    assert_eq!(meet((&first, Expected::Node(node_id(2))), (&second, Expected::Node(node_id(1)))), (Ok(()), Ok(())));
    assert!(meet((&first, Expected::Control), (&second, Expected::AnyNode)).0.is_err());
    assert!(meet((&first, Expected::Node(node_id(3))), (&second, Expected::AnyNode)).0.is_err());
    assert!(meet((&first, Expected::AnyNode), (&second, Expected::Node(node_id(3)))).1.is_err());
}

#[test]
fn another_cluster_is_refused_by_either_side() {
    let (own, foreign) = (node(&authority(), 1), node(&authority(), 2));
    let (first, stranger) = (worker(&own, 1), worker(&foreign, 1));
    let outcome = meet((&first, expect_worker(2, 1)), (&stranger, expect_worker(1, 1)));
    let refusal = explain(&outcome.0.expect_err("a foreign server"));
    assert!(refusal.contains("of another cluster"), "{refusal}");
    // The stranger's own check would fail first; here it trusts the cluster, as one would who wants in.
    let config = stranger.client_config(expect_worker(1, 1)).expect("a configuration");
    let config = trusting(config, Verifier::new(anchor(own.authority()).expect("an anchor"), expect_worker(1, 1)));
    let mut client = rustls::ClientConnection::new(Arc::new(config), any_server_name()).expect("a client");
    let mut server = first.accept(expect_worker(2, 1)).expect("a server");
    let refusal = explain(&shake_hands(&mut client, &mut server).1.expect_err("a foreign client"));
    assert!(refusal.contains("of another cluster"), "{refusal}");
}

/// The same configuration with another check of the other side.
fn trusting(mut config: ClientConfig, verifier: Verifier) -> ClientConfig {
    config.dangerous().set_certificate_verifier(Arc::new(verifier));
    config
}

#[test]
fn a_certificate_without_its_key_is_no_identity() {
    let own = node(&authority(), 1);
    let made = |number| own.issue_process(worker_id(1, number), JOB, now(), HOUR).expect("a certificate");
    let (certificate, other) = (made(1), made(2));
    let chain: Vec<_> = certificate.chain().iter().map(|part| part.to_vec()).collect();
    for key in [Vec::new(), other.private_key_der().to_vec()] {
        let mixed = crate::ProcessCertificate::from_der(chain.clone(), key, own.authority().to_vec());
        assert!(Identity::new(&mixed).is_err());
    }
    assert!(Identity::new(&crate::ProcessCertificate::from_der(Vec::new(), Vec::new(), Vec::new())).is_err());
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let own = node(&authority(), 1);
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(
            anchor(own.authority()).expect("an anchor"),
            expect_worker(1, 1),
        )))
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), any_server_name()).expect("a client");
    let mut server = worker(&own, 1).accept(expect_worker(1, 2)).expect("a server");
    let outcome = shake_hands(&mut client, &mut server);
    assert_eq!(outcome.1, Err(Error::NoCertificatesPresented));
    assert!(explain(&outcome.0.expect_err("it is told")).contains("asks for a certificate"));
}

#[test]
fn a_node_s_own_certificate_is_no_identity_of_a_process() {
    let authority = authority();
    let key = crate::NodeKey::generate().expect("a key");
    let issued = authority.issue_for(node_id(1), key.public_key(), now(), HOUR).expect("a certificate");
    let verifier = Verifier::new(anchor(authority.certificate()).expect("an anchor"), Expected::AnyNode);
    let error =
        verifier.verify_client_cert(&issued.certificate_der.into(), &[], UnixTime::now()).expect_err("a signer");
    assert!(explain(&error).contains("CaUsedAsEndEntity"), "{error}");
}

#[test]
fn clocks_that_disagree_are_named() {
    let authority = authority();
    // Valid for long, so that only the process's certificate is outside of its time.
    let node = authority.issue_node(node_id(1), now() - 48 * HOUR, 96 * HOUR).expect("a certificate");
    let first = worker(&node, 1);
    let refusal = |at: SystemTime| {
        let outcome = meet((&first, expect_worker(1, 2)), (&made_at(&node, at), expect_worker(1, 1)));
        (outcome.0.map_err(|error| explain(&error)), outcome.1.map_err(|error| explain(&error)))
    };
    let text = |at: SystemTime| utc_text(crate::validity::unix_s(at));
    let ahead = now() + 3 * HOUR;
    let said = refusal(ahead).0.expect_err("not valid yet");
    assert!(said.contains("this machine's clock says") && said.contains(&text(ahead)), "{said}");
    assert!(said.contains(&text(now())[..16]) || said.contains(&text(now() - HOUR / 60)[..16]), "{said}");
    let behind = now() - 5 * HOUR;
    let (said, told) = refusal(behind);
    let said = said.expect_err("ended");
    assert!(said.contains("has ended") && said.contains(&text(behind + HOUR)), "{said}");
    assert!(told.expect_err("it is told").contains("compare the clocks"));
    // Half an hour is borne.
    assert_eq!(refusal(now() + HOUR / 2), (Ok(()), Ok(())));
    assert_eq!(refusal(now() - HOUR / 2), (Ok(()), Ok(())));
}

#[test]
fn no_session_is_resumed() {
    let authority = authority();
    let own = node(&authority, 1);
    let (first, second) = (worker(&own, 1), worker(&own, 2));
    let client_config = Arc::new(first.client_config(expect_worker(1, 2)).expect("a configuration"));
    let server_config = Arc::new(second.server_config(expect_worker(1, 1)).expect("a configuration"));
    for _ in 0..2 {
        let mut client = rustls::ClientConnection::new(client_config.clone(), any_server_name()).expect("a client");
        let mut server = rustls::ServerConnection::new(server_config.clone()).expect("a server");
        assert_eq!(shake_hands(&mut client, &mut server), (Ok(()), Ok(())));
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(client.tls13_tickets_received(), 0);
    }
}

#[test]
fn chains_of_garbage_are_refused() {
    let own = node(&authority(), 1);
    let good = own.issue_process(worker_id(1, 1), JOB, now(), HOUR).expect("a certificate");
    let verifier = Verifier::new(anchor(own.authority()).expect("an anchor"), expect_worker(1, 1));
    let check =
        |bytes: &[u8]| verifier.verify_client_cert(&CertificateDer::from(bytes), &good.chain()[1..], UnixTime::now());
    let whole = good.chain()[0].to_vec();
    assert!(check(&whole).is_ok());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(check(&bytes).is_err(), "byte {at} is not covered");
        assert!(check(&whole[..at]).is_err());
    }
}
