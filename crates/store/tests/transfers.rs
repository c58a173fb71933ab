//! Objects between nodes, over real sockets.

mod cluster;

use cluster::{Cluster, MIB, object, pattern};
use std::sync::atomic::Ordering;
use trygon_store_core::ObjectLocation;

#[test]
fn an_object_comes_over_whatever_its_size() {
    let mut cluster = Cluster::new(1..=2, 400 * MIB);
    for (id, len) in [(1, 0), (2, 1), (3, 100_000), (4, MIB), (5, 16 * MIB + 1), (6, 70 * MIB + 12_345)] {
        let body = pattern(id, len);
        let place = cluster.put(1, 1, id, &body);
        cluster.pull(2, 1, id, place);
        assert!(cluster.read(2, 1, id) == body, "{len} bytes");
        cluster.release(2, 1, id);
        cluster.free(1, 1, id, place);
    }
    assert_eq!(cluster.figure(2, "copies"), 0);
    assert_eq!(cluster.figure(2, "object_bytes"), 0);
    assert_eq!(cluster.figure(2, "pulls_completed"), 6);
    assert_eq!(cluster.figure(1, "objects"), 0);
}

#[test]
fn pull_1_one_transfer_serves_every_process_of_a_node() {
    let mut cluster = Cluster::new(1..=2, 200 * MIB);
    let body = pattern(1, 20 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    for process in 1..=5 {
        cluster.pull(2, process, 1, place);
    }
    for process in 1..=5 {
        assert!(cluster.read(2, process, 1) == body);
    }
    assert_eq!(cluster.figure(2, "pulls_completed"), 1);
    let sent = cluster.network.sent[&1].load(Ordering::SeqCst) as u64;
    assert!(sent < 21 * MIB, "{sent}");
}

#[test]
fn pull_5_a_copy_lives_as_long_as_its_last_holder() {
    let mut cluster = Cluster::new(1..=2, 200 * MIB);
    let body = pattern(1, 5 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    cluster.pull(2, 1, 1, place);
    cluster.pull(2, 2, 1, place);
    assert!(cluster.read(2, 1, 1) == body);
    cluster.release(2, 1, 1);
    // The object is gone where it came from; who holds the copy reads on.
    cluster.free(1, 1, 1, place);
    assert!(cluster.read(2, 2, 1) == body);
    assert_eq!(cluster.figure(2, "copies"), 1);
    cluster.die(2, 2);
    assert_eq!(cluster.figure(2, "copies"), 0);
    // Its segment goes back once it has been empty for a while.
    let used = cluster.figure(2, "used_bytes");
    assert!(used > 0);
    cluster.until("the memory", |cluster| cluster.figure(2, "used_bytes") == 0);
}

#[test]
fn what_is_gone_or_another_objects_is_refused() {
    let mut cluster = Cluster::new(1..=2, 100 * MIB);
    let place = cluster.put(1, 1, 1, &pattern(1, 1000));
    cluster.pull(2, 1, 2, place);
    assert_eq!(cluster.answer(2, 1, 2).error, "lost");
    cluster.pull(2, 1, 1, ObjectLocation { size_bytes: 2000, ..place });
    assert_eq!(cluster.answer(2, 1, 1).error, "lost");
    cluster.free(1, 1, 1, place);
    cluster.pull(2, 1, 1, place);
    assert_eq!(cluster.answer(2, 1, 1).error, "lost");
    assert_eq!(cluster.figure(2, "pulls_failed"), 3);
    assert_eq!(cluster.figure(2, "objects"), 0);
}

#[test]
fn a_broken_connection_is_tried_again_from_the_beginning() {
    let mut cluster = Cluster::new(1..=2, 200 * MIB);
    let body = pattern(1, 40 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    cluster.network.cut_after(1, 3_000_000);
    cluster.pull(2, 1, 1, place);
    cluster.until("a pause", |cluster| cluster.figure(2, "pulls_waiting") == 1);
    assert!(!cluster.has_answer(2, 1, 1));
    assert_eq!(cluster.figure(2, "pulls_running_bytes"), 0);
    cluster.network.cut_after(1, -1);
    cluster.skipped_ms += 1_000;
    assert!(cluster.read(2, 1, 1) == body);
}

#[test]
fn pull_3_a_dead_node_and_one_that_stays_silent_are_told_apart() {
    let mut cluster = Cluster::new(1..=3, 200 * MIB);
    let place = cluster.put(1, 1, 1, &pattern(1, 2 * MIB));
    let other = cluster.put(3, 1, 2, &pattern(2, 2 * MIB));
    cluster.network.set_down(3, true);
    cluster.pull(2, 1, 2, other);
    cluster.until("a pause", |cluster| cluster.figure(2, "pulls_waiting") == 1);
    cluster.skipped_ms += 60_000;
    let answer = cluster.answer(2, 1, 2);
    assert_eq!(answer.error, "timed_out");
    assert!(answer.message.contains("could not be reached"), "{}", answer.message);
    cluster.network.set_down(1, true);
    cluster.pull(2, 1, 1, place);
    cluster.until("a pause", |cluster| cluster.figure(2, "pulls_waiting") == 1);
    cluster.node_died(1);
    assert_eq!(cluster.answer(2, 1, 1).error, "node_died");
    cluster.pull(2, 2, 1, place);
    assert_eq!(cluster.answer(2, 2, 1).error, "node_died");
}

#[test]
fn a_fetch_from_a_node_that_went_silent_ends_when_its_death_is_known() {
    let mut cluster = Cluster::new(1..=2, 200 * MIB);
    let place = cluster.put(1, 1, 1, &pattern(1, 2 * MIB));
    // It accepts, and never answers: as a machine whose power failed after the connection was made.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    cluster.network.set_address(1, silent.local_addr().expect("bound"));
    cluster.pull(2, 1, 1, place);
    let (_stream, _) = silent.accept().expect("a connection");
    let died = std::time::Instant::now();
    cluster.node_died(1);
    assert_eq!(cluster.answer(2, 1, 1).error, "node_died");
    assert!(died.elapsed().as_secs() < 5, "only after {:?}", died.elapsed());
}

#[test]
fn pull_4_what_nobody_waits_for_any_more_is_stopped_and_leaves_nothing() {
    let mut cluster = Cluster::new(1..=2, 800 * MIB);
    let body = pattern(1, 150 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    for _ in 0..5 {
        cluster.pull(2, 1, 1, place);
        cluster.turn();
        cluster.release(2, 1, 1);
        cluster.until("the end", |cluster| {
            cluster.figure(2, "pulls_running") == 0 && cluster.figure(2, "pulls_waiting") == 0
        });
        assert_eq!(cluster.figure(2, "objects"), 0);
    }
    cluster.pull(2, 1, 1, place);
    assert!(cluster.read(2, 1, 1) == body);
}

#[test]
fn a_full_store_refuses_a_copy_with_the_numbers_and_takes_it_once_there_is_room() {
    let mut cluster = Cluster::new(1..=2, 40 * MIB);
    let body = pattern(1, 20 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    let mine = cluster.put(2, 1, 2, &pattern(2, 30 * MIB));
    cluster.pull(2, 1, 1, place);
    let answer = cluster.answer(2, 1, 1);
    assert_eq!(answer.error, "store_full");
    assert!(answer.message.contains("object_store_memory"), "{}", answer.message);
    cluster.pull(2, 1, 1, place);
    cluster.turn();
    cluster.die(2, 1);
    let _ = mine;
    cluster.pull(2, 2, 1, place);
    assert!(cluster.read(2, 2, 1) == body);
}

#[test]
fn the_owner_on_another_node_frees_its_object() {
    let mut cluster = Cluster::new(1..=2, 100 * MIB);
    let place = cluster.put(1, 1, 1, &pattern(1, 3 * MIB));
    cluster.free(2, 1, 1, place);
    cluster.until("the memory", |cluster| cluster.figure(1, "objects") == 0);
    cluster.turn();
    // The writer has the space again.
    let again = cluster.put(1, 1, 2, &pattern(2, 3 * MIB));
    assert_eq!((again.segment, again.offset_bytes), (place.segment, place.offset_bytes));
}

#[test]
fn a_stream_that_breaks_again_and_again_costs_only_what_it_had_not_finished() {
    let mut cluster = Cluster::new(1..=2, 400 * MIB);
    let body = pattern(1, 100 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    // Enough for two parts and a half on each stream.
    cluster.network.cut_after(1, 20 << 20);
    cluster.pull(2, 1, 1, place);
    assert!(cluster.read(2, 1, 1) == body);
    let sent = cluster.network.sent[&1].load(Ordering::SeqCst) as u64;
    assert!(sent > 100 * MIB, "no stream broke");
    assert!(sent < 300 * MIB, "{} MiB were sent", sent / MIB);
}

#[test]
fn many_receivers_form_a_tree() {
    let mut cluster = Cluster::new(1..=7, 300 * MIB);
    let body = pattern(1, 100 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    for node in 2..=7 {
        cluster.pull(node, 1, 1, place);
    }
    for node in 2..=7 {
        assert!(cluster.read(node, 1, 1) == body, "node {node}");
    }
    let sent = cluster.network.sent[&1].load(Ordering::SeqCst) as u64;
    assert!(sent <= 101 * MIB, "the origin sent {} MiB to six receivers", sent / MIB);
    for node in 2..=7 {
        cluster.release(node, 1, 1);
        cluster.until("the end of sends", |cluster| cluster.figure(node, "copies") == 0);
    }
}

#[test]
fn those_behind_a_stream_that_breaks_wait_and_take_no_other_way() {
    let mut cluster = Cluster::new(1..=5, 400 * MIB);
    let body = pattern(1, 100 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    cluster.network.cut_after(1, 20 << 20);
    for node in 2..=5 {
        cluster.pull(node, 1, 1, place);
    }
    for node in 2..=5 {
        assert!(cluster.read(node, 1, 1) == body, "node {node}");
    }
    let sent = cluster.network.sent[&1].load(Ordering::SeqCst) as u64;
    assert!(sent < 400 * MIB, "the origin sent {} MiB to four receivers", sent / MIB);
    let passed_on = cluster.network.sent[&2].load(Ordering::SeqCst) as u64;
    assert!(passed_on >= 100 * MIB, "the first passed {} MiB on", passed_on / MIB);
}

#[test]
fn a_receiver_that_is_named_and_lost_does_not_stop_the_others() {
    let mut cluster = Cluster::new(1..=6, 300 * MIB);
    let body = pattern(1, 64 * MIB);
    let place = cluster.put(1, 1, 1, &body);
    for node in 2..=6 {
        cluster.pull(node, 1, 1, place);
        cluster.turn();
    }
    // Those that others may have been sent on to let go, one by its process, one as a whole node.
    cluster.die(2, 1);
    cluster.node_died(3);
    for node in 4..=6 {
        assert!(cluster.read(node, 1, 1) == body, "node {node}");
    }
}

#[test]
fn outside_of_a_cluster_a_foreign_place_is_an_error() {
    let mut server = trygon_store::server::StoreServer::new(100 * MIB);
    let pull = trygon_wire::control::ObjectPull {
        object_id: object(1).as_bytes().to_vec(),
        segment_id: 7 << 40,
        size_bytes: 10,
        ..Default::default()
    };
    use trygon_wire::Message;
    let kind = trygon_wire::Kind::ObjectPull;
    let outgoing = server.on_frame(cluster::worker(1), kind, &pull.encode_to_vec(), 0).expect("a correct frame");
    let body = &outgoing[0].frame[trygon_wire::Header::LEN..];
    let pulled: trygon_wire::control::ObjectPulled = trygon_wire::decode(body).expect("a body");
    assert_eq!(pulled.error, "lost");
    assert!(server.on_frame(cluster::worker(1), kind, b"nonsense", 0).is_err());
}
