//! Tests of the queue.

use std::pin::pin;

use super::*;

fn bytes(number: u8) -> Bytes {
    Bytes::from(vec![number; 3])
}

fn take_all(outflow: &Outflow) -> (Vec<u8>, bool) {
    let mut stream = pin!(outflow.stream());
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    loop {
        match stream.as_mut().poll_next(&mut context) {
            Poll::Ready(Some(message)) => taken.push(message[0]),
            Poll::Ready(None) => return (taken, true),
            Poll::Pending => return (taken, false),
        }
    }
}

/// CARRY-1: what was not acknowledged goes again over the next connection, in order, and nothing twice.
#[test]
fn a_new_connection_goes_on_where_the_other_side_stands() {
    let outflow = Outflow::new(Keeping::UntilAcknowledged);
    (0..5).for_each(|number| {
        outflow.push(bytes(number));
    });
    assert_eq!(take_all(&outflow), (vec![], false), "closed until the other side speaks");
    outflow.open_behind(0).unwrap();
    assert_eq!(take_all(&outflow), (vec![0, 1, 2, 3, 4], false));
    outflow.acknowledge(2).unwrap();
    outflow.push(bytes(5));
    assert_eq!(take_all(&outflow), (vec![5], false));
    outflow.pause();
    outflow.push(bytes(6));
    assert_eq!(take_all(&outflow), (vec![], false));
    outflow.open_behind(4).unwrap();
    assert_eq!(take_all(&outflow), (vec![4, 5, 6], false));
    outflow.acknowledge(7).unwrap();
    assert!(outflow.is_empty());
}

#[test]
fn impossible_counts_are_refused() {
    let outflow = Outflow::new(Keeping::UntilAcknowledged);
    outflow.push(bytes(1));
    assert_eq!(outflow.open_behind(2), Err(OutOfStep));
    outflow.acknowledge(1).unwrap();
    assert_eq!(outflow.acknowledge(0), Err(OutOfStep));
}

#[test]
fn what_the_head_took_is_gone_and_the_registration_takes_the_place_of_the_rest() {
    let outflow = Outflow::new(Keeping::UntilTaken);
    outflow.push(bytes(1));
    outflow.open();
    assert_eq!(take_all(&outflow), (vec![1], false));
    outflow.pause();
    assert_eq!(outflow.push(bytes(2)), 3);
    outflow.begin_with(bytes(0));
    assert_eq!(outflow.push(bytes(3)), 6);
    outflow.open();
    outflow.close();
    assert_eq!(take_all(&outflow), (vec![0, 3], true));
}

#[test]
fn giving_up_forgets_the_session() {
    let outflow = Outflow::new(Keeping::UntilAcknowledged);
    outflow.push(bytes(1));
    outflow.open_behind(0).unwrap();
    assert_eq!(take_all(&outflow).0, vec![1]);
    outflow.pause();
    outflow.clear();
    outflow.begin_session();
    assert!(outflow.is_empty());
    outflow.push(bytes(2));
    outflow.open_behind(0).unwrap();
    assert_eq!(take_all(&outflow).0, vec![2]);
}

#[test]
fn what_is_left_of_a_broken_connection_takes_nothing() {
    let outflow = Outflow::new(Keeping::UntilAcknowledged);
    let mut stale = pin!(outflow.stream());
    outflow.push(bytes(1));
    outflow.pause();
    outflow.open_behind(0).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(stale.as_mut().poll_next(&mut context), Poll::Pending);
    assert_eq!(take_all(&outflow).0, vec![1]);
}
