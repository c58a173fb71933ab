//! Order, bounds and ends of a link.

use crate::link::{Link, LinkLimits};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio_stream::Stream;
use tonic::{Code, Status};
use trygon_proto::v1::{HeadToNode, KillWorker, head_to_node};

fn message(size: usize) -> HeadToNode {
    let kill = KillWorker { message: "x".repeat(size), ..KillWorker::default() };
    HeadToNode { body: Some(head_to_node::Body::KillWorker(kill)) }
}

fn take<S: Stream<Item = Result<HeadToNode, Status>> + Unpin>(stream: &mut S) -> Option<Result<HeadToNode, Status>> {
    match Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(item) => item,
        Poll::Pending => panic!("nothing is there"),
    }
}

#[test]
fn messages_come_in_order_and_then_the_end() {
    let (link, mut outgoing, _) = Link::new(LinkLimits::default());
    for size in 1..4 {
        assert!(link.send(message(size)));
    }
    link.end(Status::aborted("replaced"));
    drop(link);
    for size in 1..4 {
        assert_eq!(take(&mut outgoing).expect("a message").expect("no error"), message(size), "STREAM-2");
    }
    assert_eq!(take(&mut outgoing).expect("an end").expect_err("a status").message(), "replaced");
    assert!(take(&mut outgoing).is_none());
}

#[test]
fn a_node_that_does_not_read_is_cut_off_by_count_and_by_bytes() {
    for (limits, size) in [
        (LinkLimits { messages: 10, size_bytes: usize::MAX }, 1),
        (LinkLimits { messages: 1_000, size_bytes: 1_000 }, 90),
    ] {
        let (link, mut outgoing, _) = Link::new(limits);
        let sent = (0..).take_while(|_| link.send(message(size))).count();
        assert!((9..=10).contains(&sent), "{sent}");
        drop(link);
        for _ in 0..sent {
            take(&mut outgoing).expect("a message").expect("no gap: STREAM-2");
        }
        let end = take(&mut outgoing).expect("an end").expect_err("a status");
        assert_eq!(end.code(), Code::ResourceExhausted);
    }
}

#[test]
fn what_was_read_makes_room() {
    let (link, mut outgoing, _) = Link::new(LinkLimits { messages: 4, size_bytes: 1_000 });
    for _ in 0..100 {
        assert!(link.send(message(600)));
        take(&mut outgoing).expect("a message").expect("no error");
    }
    assert!(link.send(message(5_000)), "a large one passes when nothing else waits");
    assert!(!link.send(message(1)));
}

#[tokio::test]
async fn whoever_waits_hears_of_the_end() {
    let (link, _outgoing, mut end) = Link::<HeadToNode>::new(LinkLimits::default());
    let waits = tokio::time::timeout(std::time::Duration::from_millis(20), end.wait());
    assert!(waits.await.is_err(), "it has not ended");
    drop(link);
    end.wait().await;
}
