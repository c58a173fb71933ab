//! Whoever is not the expected process gets nothing, and is told nothing.

use crate::link::credentials::Credentials;
use crate::link::tests::kit::{Cluster, JOB, LIMIT, PEER, Side, tcp_pair, turn_until, two_sides};
use rustix::net::{SendFlags, send};
use std::time::Duration;
use trygon_ids::JobId;
use trygon_wire::control::{Certificate, TLS_CLIENT, TLS_SERVER};

const HOUR: Duration = Duration::from_secs(3600);

fn credentials(certificate: Certificate) -> Credentials {
    let mut credentials = Credentials::default();
    credentials.renew(certificate);
    credentials
}

/// Connects two sides of which the client shows `client` and the server `server`, while each expects process 1 or 2 of `cluster`.
/// Returns what each says of the end.
fn refused(cluster: &Cluster, client: Certificate, server: Certificate) -> (String, String) {
    let (dialled, accepted) = tcp_pair();
    let (one, two) = (cluster.worker(1), cluster.worker(2));
    let mut left = Side::connected(dialled, TLS_CLIENT, &mut credentials(client), two, LIMIT);
    let mut right = Side::connected(accepted, TLS_SERVER, &mut credentials(server), one, LIMIT);
    left.send(1);
    right.send(1);
    turn_until(&mut left, &mut right, |left, right| !left.is_open() && !right.is_open());
    assert_eq!((left.frames, right.frames), (0, 0), "nothing was said");
    (left.lost(), right.lost())
}

#[test]
fn a_process_of_another_cluster_is_refused_on_both_sides() {
    let (cluster, stranger) = (Cluster::new(1), Cluster::new(1));
    let good = |number| cluster.certificate(cluster.worker(number), JOB, HOUR);
    let bad = |number| stranger.certificate(stranger.worker(number), JOB, HOUR);
    let (_, server_says) = refused(&cluster, bad(1), good(2));
    assert!(server_says.contains("another cluster"), "{server_says}");
    let (client_says, _) = refused(&cluster, good(1), bad(2));
    assert!(client_says.contains("another cluster"), "{client_says}");
}

#[test]
fn another_process_of_the_cluster_is_refused_on_both_sides() {
    let cluster = Cluster::new(1);
    let certificate = |number, job| cluster.certificate(cluster.worker(number), job, HOUR);
    let other_job = JobId::new([8; 4]);
    for (number, job) in [(3, JOB), (1, other_job)] {
        let (_, server_says) = refused(&cluster, certificate(number, job), certificate(2, JOB));
        assert!(server_says.contains("expected"), "{server_says}");
    }
    for (number, job) in [(3, JOB), (2, other_job)] {
        let (client_says, _) = refused(&cluster, certificate(1, JOB), certificate(number, job));
        assert!(client_says.contains("expected"), "{client_says}");
    }
}

#[test]
fn without_a_certificate_no_connection_is_made() {
    let cluster = Cluster::new(1);
    let error = Credentials::default().secure(TLS_CLIENT, cluster.worker(1), JOB).map(|_| ());
    assert_eq!(error, Err("this process was given no certificate".to_owned()));
    let mut broken =
        credentials(Certificate { private_key: vec![1; 9], ..cluster.certificate(cluster.worker(1), JOB, HOUR) });
    assert!(broken.secure(TLS_CLIENT, cluster.worker(2), JOB).is_err());
    broken.renew(cluster.certificate(cluster.worker(1), JOB, HOUR));
    assert!(broken.secure(TLS_SERVER, cluster.worker(2), JOB).is_ok());
    assert!(broken.secure(9, cluster.worker(2), JOB).is_err());
}

#[test]
fn whoever_does_not_speak_tls_is_refused() {
    let cluster = Cluster::new(1);
    let certificate = cluster.certificate(cluster.worker(2), JOB, HOUR);
    let (dialled, accepted) = tcp_pair();
    let mut side = Side::connected(accepted, TLS_SERVER, &mut credentials(certificate), cluster.worker(1), LIMIT);
    send(&dialled, b"GET / HTTP/1.1\r\n\r\n", SendFlags::empty()).expect("room");
    while side.is_open() {
        side.turn(Duration::from_millis(10));
    }
    assert!(side.lost().contains("does not speak TLS"));
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let cluster = Cluster::new(1);
    let certificate = cluster.certificate(cluster.worker(2), JOB, HOUR);
    let (_silent, accepted) = tcp_pair();
    let limit = Duration::from_secs(10);
    let mut side = Side::connected(accepted, TLS_SERVER, &mut credentials(certificate), cluster.worker(1), limit);
    let limit_ns = limit.as_nanos() as u64;
    assert!(side.links.expire_handshakes(limit_ns - 1) && side.is_open());
    assert!(!side.links.expire_handshakes(limit_ns));
    assert!(!side.is_open());
    assert!(side.lost().contains("in time"));
}

/// A connection whose handshake is over has no limit any more.
#[test]
fn a_known_peer_is_not_given_up() {
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    turn_until(&mut left, &mut right, |left, right| left.is_known() && right.is_known());
    assert!(!left.links.expire_handshakes(u64::MAX));
    assert!(left.links.peer(PEER).is_open());
}
