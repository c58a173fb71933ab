//! Connections with other machines, over TCP sockets of the loopback interface.

pub(crate) mod kit;
mod refusals;
mod speed;

use crate::link::tests::kit::{LIMIT, PEER, Side, tcp_pair, turn_until, two_sides};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::time::{Duration, Instant};

#[test]
fn frames_that_are_sent_before_the_handshake_is_over_come_after_it() {
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    for number in 1..=100 {
        left.send(number);
        right.send(number);
    }
    assert!(!left.is_known() && !right.is_known());
    turn_until(&mut left, &mut right, |left, right| left.frames == 100 && right.frames == 100);
    assert!(left.is_ordered && right.is_ordered && left.is_known() && right.is_known());
    assert!(left.links.peer(PEER).is_delivered() || left.links.peer(PEER).is_written());
    assert_eq!((left.lost(), right.lost()), (String::new(), String::new()));
}

#[test]
fn a_million_small_frames_go_both_ways_in_order() {
    const COUNT: u64 = 1_000_000;
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    let work = |side: &mut Side| {
        let began = Instant::now();
        let mut sent = 0;
        while side.frames < COUNT || sent < COUNT || !side.links.peer(PEER).is_written() {
            assert!(began.elapsed() < LIMIT, "{} of {COUNT} came, {sent} were sent", side.frames);
            // As many as an engine has waiting at most before it is held back.
            while sent < COUNT && side.links.peer(PEER).out.len() < 1 << 20 {
                sent += 1;
                side.send(sent);
            }
            side.links.flush();
            side.turn(Duration::from_millis(1));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(&mut left));
        scope.spawn(|| work(&mut right));
    });
    assert!(left.is_ordered && right.is_ordered);
    assert_eq!((left.last, right.last), (COUNT, COUNT));
}

#[test]
fn a_frame_of_50_mb_passes_while_the_other_side_reads_late() {
    const LEN: usize = 50 << 20;
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    turn_until(&mut left, &mut right, |left, right| left.is_known() && right.is_known());
    left.send_large(LEN);
    left.links.flush();
    assert!(!left.links.peer(PEER).is_written(), "the socket is full");
    for _ in 0..20 {
        left.turn(Duration::from_millis(1));
    }
    turn_until(&mut left, &mut right, |_, right| right.frames == 1);
    assert!(right.is_ordered);
    assert_eq!(right.bytes, LEN as u64);
    turn_until(&mut left, &mut right, |left, _| left.links.peer(PEER).is_delivered());
    assert!(!left.links.peer(PEER).wants_write);
}

/// Passes bytes on in both directions, a few at a time.
fn relay(one: &OwnedFd, other: &OwnedFd, chunk: usize) {
    let mut bytes = vec![0; chunk];
    let (mut open, mut pause) = ([true; 2], 0);
    while open != [false; 2] {
        let mut moved = false;
        for (direction, (from, to)) in [(one, other), (other, one)].into_iter().enumerate() {
            match recv(from.as_fd(), &mut bytes[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    open[direction] = false;
                    let _ = shutdown(to.as_fd(), Shutdown::Write);
                }
                Ok((count, _)) => {
                    moved = true;
                    if send(to.as_fd(), &bytes[..count], SendFlags::NOSIGNAL).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => {}
                Err(_) => return,
            }
        }
        pause = if moved { 0 } else { pause + 1 };
        if pause > 10 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

#[test]
fn records_that_come_byte_by_byte_are_put_together() {
    for chunk in [1, 2, 7, 1000] {
        let mut inside = None;
        let (mut left, mut right) = two_sides(|dialled, accepted| {
            let (proxy_left, proxy_right) = (tcp_pair(), tcp_pair());
            drop((dialled, accepted));
            inside = Some((proxy_left.1, proxy_right.1));
            (proxy_left.0, proxy_right.0)
        });
        let (one, other) = inside.expect("the proxy's ends");
        std::thread::scope(|scope| {
            scope.spawn(|| relay(&one, &other, chunk));
            for number in 1..=50 {
                left.send(number);
                right.send(number);
            }
            left.send_large(20_000);
            turn_until(&mut left, &mut right, |left, right| left.frames == 50 && right.frames == 51);
            assert!(left.is_ordered && right.is_ordered);
            left.links.close(PEER);
            right.links.close(PEER);
        });
    }
}

#[test]
fn a_cut_at_any_place_loses_the_connection_and_nothing_before_it() {
    // In the first message, in the handshake, just behind it, and in the middle of a frame.
    for cut in [0usize, 3, 200, 1500, 2600, 40_000] {
        let mut inside = None;
        let (mut left, mut right) = two_sides(|dialled, accepted| {
            let (proxy_left, proxy_right) = (tcp_pair(), tcp_pair());
            drop((dialled, accepted));
            inside = Some((proxy_left.1, proxy_right.1));
            (proxy_left.0, proxy_right.0)
        });
        let (one, other) = inside.expect("the proxy's ends");
        left.send_large(100_000);
        let began = Instant::now();
        let mut passed = 0;
        let mut bytes = [0; 100];
        while passed < cut {
            assert!(began.elapsed() < LIMIT);
            left.turn(Duration::ZERO);
            right.turn(Duration::ZERO);
            if let Ok((count, _)) = recv(other.as_fd(), &mut bytes[..], RecvFlags::DONTWAIT) {
                send(one.as_fd(), &bytes[..count], SendFlags::NOSIGNAL).expect("room");
            }
            let want = bytes.len().min(cut - passed);
            if let Ok((count, _)) = recv(one.as_fd(), &mut bytes[..want], RecvFlags::DONTWAIT) {
                send(other.as_fd(), &bytes[..count], SendFlags::NOSIGNAL).expect("room");
                passed += count;
            }
        }
        drop((one, other));
        turn_until(&mut left, &mut right, |left, right| !left.is_open() && !right.is_open());
        assert_eq!(right.frames, 0, "the frame is longer than what passed");
        assert!(!left.lost().is_empty() && !right.lost().is_empty(), "the daemon is told once");
        assert!(left.lost().is_empty() && right.lost().is_empty());
        assert!(left.links.peer(PEER).out.is_empty());
        left.send(1);
        left.links.flush();
    }
}

#[test]
fn what_a_dead_process_wrote_before_is_read() {
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    turn_until(&mut left, &mut right, |left, right| left.is_known() && right.is_known());
    for number in 1..=1000 {
        left.send(number);
    }
    left.links.flush();
    left.links.close(PEER);
    let began = Instant::now();
    while right.is_open() {
        assert!(began.elapsed() < LIMIT);
        right.turn(Duration::from_millis(10));
    }
    assert_eq!(right.frames, 1000);
    assert_eq!(right.lost(), "the other side has closed the connection");
}
