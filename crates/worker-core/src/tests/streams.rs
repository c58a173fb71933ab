//! Items of generators: taken, dropped, replayed.

use crate::tests::env::{Env, Sent, core, small, worker};
use crate::{
    Arguments, DYNAMIC, Effect, ItemKey, NextItem, PeerIndex, Reference, Reply, Returned, STREAMING, StreamHead,
    Submission, Value, Waiter,
};

struct Stream {
    env: Env,
    slot: u32,
    generation: u32,
}

impl Stream {
    fn submitted(num_returns: u16, limit: u32, retries: i32) -> Self {
        let mut env = Env::new();
        let submission = Submission {
            function: env.function,
            arguments: Arguments { payload: &[0, 0, 0, 0, 7], dependencies: &[], contained: &[] },
            num_returns,
            stream_limit: limit,
            max_retries: retries,
            retry_errors: true,
            parent: 0,
            depth: 1,
        };
        let (slot, generation) = env.core.submit(&submission, &mut env.sink);
        Self { env, slot, generation }
    }

    /// Submitted, and sent to the process behind connection 0.
    fn running(num_returns: u16, limit: u32) -> (Self, Sent) {
        let mut stream = Self::submitted(num_returns, limit, 1);
        stream.env.grant(1, 0);
        let sent = stream.env.sent().remove(0);
        (stream, sent)
    }

    fn item(&mut self, attempt: u32, number: u32, value: Value, contained: Vec<Reference>) {
        let key = ItemKey { slot: self.slot, generation: self.generation, attempt, number };
        self.env.core.on_stream_item(&key, Returned { value, contained }, &mut self.env.sink);
        self.env.core.sanity_check().expect("sane");
    }

    fn end(&mut self, attempt: u32, total: u32) {
        let key = ItemKey { slot: self.slot, generation: self.generation, attempt, number: total };
        self.env.core.on_stream_end(&key);
    }

    fn done(&mut self, attempt: u32, error: Option<&[u8]>) {
        let (slot, generation) = (self.slot, self.generation);
        let reply = Reply {
            slot,
            generation,
            attempt,
            execution_ns: 1,
            raised: error.is_some(),
            cancelled: false,
            exiting: false,
        };
        let mut returns = vec![Returned { value: small(b"none"), contained: Vec::new() }];
        returns.extend(error.map(|error| Returned { value: Value::Error(error.into()), contained: Vec::new() }));
        self.env.core.on_done(&reply, &mut returns, &[], worker(9), 0, &mut self.env.sink);
        self.env.core.sanity_check().expect("sane");
    }

    fn take(&mut self) -> NextItem {
        self.env.core.take_item(self.slot, self.generation)
    }

    fn reference(&self, index: u32) -> Reference {
        let object = self.env.core.task_id(self.slot, self.generation).object(index);
        Reference { object, owner: worker(1) }
    }

    fn inline(&self, index: u32) -> Option<Vec<u8>> {
        match self.env.core.value_of(&self.reference(index)) {
            Some(Value::Inline(bytes)) => Some(bytes.as_slice().to_vec()),
            _ => None,
        }
    }

    fn close(&mut self) {
        self.env.core.close_stream(self.slot, self.generation);
        self.env.core.sanity_check().expect("sane");
    }

    fn credits(&mut self) -> Vec<u32> {
        let effects = self.env.effects().into_iter();
        effects
            .filter_map(|effect| match effect {
                Effect::StreamCredit { peer: PeerIndex(0), taken, .. } => Some(taken),
                _ => None,
            })
            .collect()
    }

    fn head(sent: &Sent) -> StreamHead {
        let (head, rest) = StreamHead::split(&sent.payload).expect("a head");
        assert_eq!(rest, [0, 0, 0, 0, 7]);
        head
    }
}

#[test]
fn items_are_taken_in_order_and_freed_one_by_one() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    assert_eq!(stream.take(), NextItem::Pending);
    let seen = stream.env.core.watched_completions();
    stream.item(0, 0, small(&[1; 100]), Vec::new());
    assert_eq!(stream.env.core.watched_completions(), seen + 1, "whoever waits looks again");
    stream.item(0, 1, small(&[2; 100]), Vec::new());
    assert_eq!(stream.env.core.statistics().inline_bytes, 200);
    assert_eq!(stream.take(), NextItem::Item(1));
    assert_eq!(stream.inline(1), Some(vec![1; 100]));
    let first = stream.reference(1);
    stream.env.core.release(&first);
    assert_eq!(stream.inline(1), None, "freed while the task runs");
    assert_eq!(stream.env.core.statistics().inline_bytes, 100);
    stream.end(0, 2);
    stream.done(0, None);
    assert_eq!(stream.inline(0), Some(b"none".to_vec()));
    assert_eq!((stream.take(), stream.take()), (NextItem::Item(2), NextItem::End));
    stream.close();
    assert_eq!(stream.inline(2), Some(vec![2; 100]), "an item outlives its generator");
    let second = stream.reference(2);
    stream.env.core.release(&second);
    stream.env.end();
}

#[test]
fn items_taken_one_by_one_take_no_memory() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    for number in 0..10_000 {
        stream.item(0, number, small(&[1; 40]), Vec::new());
        assert_eq!(stream.take(), NextItem::Item(number + 1));
        let reference = stream.reference(number + 1);
        stream.env.core.release(&reference);
        assert_eq!(stream.env.core.statistics().inline_bytes, 0);
    }
    stream.end(0, 10_000);
    stream.done(0, None);
    stream.close();
    stream.env.end();
}

#[test]
fn an_error_is_the_item_after_the_last() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.env.core.on_stream_end(&ItemKey { slot: stream.slot, generation: stream.generation, attempt: 7, number: 0 });
    stream.done(0, Some(b"\x00first"));
    let sent = stream.env.sent().remove(0);
    assert_eq!(
        (sent.attempt, Stream::head(&sent).skip),
        (1, 1),
        "the error is retried, and the item is not sent again"
    );
    stream.done(1, Some(b"\x00second"));
    assert_eq!((stream.take(), stream.take(), stream.take()), (NextItem::Item(1), NextItem::Item(2), NextItem::End));
    let (item, error) = (stream.reference(1), stream.reference(2));
    assert_eq!(stream.env.error_kind(&error).as_deref(), Some("user"));
    assert_eq!(stream.inline(0), Some(b"none".to_vec()), "the end came about");
    stream.close();
    stream.env.core.release(&item);
    stream.env.core.release(&error);
    stream.env.end();
}

#[test]
fn takers_tell_the_maker_only_when_there_is_a_limit() {
    let (mut stream, sent) = Stream::running(STREAMING, 2);
    assert_eq!(Stream::head(&sent), StreamHead { limit: 2, taken: 0, skip: 0, is_stopped: false });
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.item(0, 1, small(b"b"), Vec::new());
    assert_eq!(stream.take(), NextItem::Item(1));
    assert_eq!(stream.credits(), [1]);
    stream.close();
    assert_eq!(stream.credits(), [u32::MAX], "nobody wants more");
    let item = stream.reference(1);
    stream.env.core.release(&item);
    stream.item(0, 2, small(&[3; 100]), Vec::new());
    stream.done(0, None);
    stream.env.end();
    let (mut free, _) = Stream::running(STREAMING, 0);
    free.item(0, 0, small(b"a"), Vec::new());
    assert_eq!((free.take(), free.credits()), (NextItem::Item(1), vec![]));
}

#[test]
fn a_generator_dropped_before_it_was_sent_goes_without_a_limit() {
    let mut stream = Stream::submitted(STREAMING, 1, 0);
    stream.close();
    assert_eq!(stream.credits(), []);
    let mut request = 1;
    while stream.env.sink.0.is_empty() {
        stream.env.core.on_lease_granted(request, 1, PeerIndex(0), 0, &mut stream.env.sink);
        request += 1;
    }
    let sent = stream.env.sent().remove(0);
    assert_eq!(Stream::head(&sent).limit, 0);
    stream.done(0, None);
    stream.env.end();
}

/// OWN-4: references inside items count, taken or not, and so do those of items that nobody wants.
#[test]
fn references_inside_items_are_held_and_given_back() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    let mut other = core(2);
    let mut inner = |byte: u8| {
        let (slot, generation) = other.put(small(&[byte]), &[]);
        Reference { object: other.object_id(slot, generation, 0), owner: worker(2) }
    };
    let (taken, untaken, unwanted) = (inner(1), inner(2), inner(3));
    stream.item(0, 0, small(b"a"), vec![taken]);
    stream.item(0, 1, small(b"b"), vec![untaken]);
    assert_eq!(stream.take(), NextItem::Item(1));
    stream.close();
    let given_back = |reference| Effect::ReportBorrow { reference, borrower: worker(1), delta: -1 };
    let effects = stream.env.effects();
    assert!(effects.contains(&given_back(untaken)) && !effects.contains(&given_back(taken)));
    stream.item(0, 2, small(b"c"), vec![unwanted]);
    assert!(stream.env.effects().contains(&given_back(unwanted)));
    let item = stream.reference(1);
    stream.env.core.release(&item);
    assert!(stream.env.effects().contains(&given_back(taken)));
    stream.done(0, None);
    stream.env.end();
}

/// OWN-7, OWN-8: a frame that the recorder kept arrives a second time; items of a dead attempt come too late.
#[test]
fn a_replay_goes_on_where_the_dead_attempt_ended() {
    let (mut stream, sent) = Stream::running(STREAMING, 0);
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.item(0, 1, small(b"b"), Vec::new());
    stream.env.lose(9, 0, Some(&sent));
    stream.env.grant(2, 1);
    let again = stream.env.sent().remove(0);
    assert_eq!((again.attempt, Stream::head(&again).skip), (1, 2));
    stream.item(0, 2, small(&[9; 100]), Vec::new());
    stream.item(1, 2, small(b"c"), Vec::new());
    stream.end(1, 3);
    stream.done(1, None);
    let taken: Vec<NextItem> = (0..4).map(|_| stream.take()).collect();
    assert_eq!(taken, [NextItem::Item(1), NextItem::Item(2), NextItem::Item(3), NextItem::End]);
    assert_eq!(stream.inline(3), Some(b"c".to_vec()));
    for index in 1..=3 {
        let item = stream.reference(index);
        stream.env.core.release(&item);
    }
    stream.close();
    stream.env.end();
}

#[test]
fn a_replay_that_makes_fewer_items_fails() {
    let (mut stream, sent) = Stream::running(STREAMING, 0);
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.item(0, 1, small(b"b"), Vec::new());
    stream.env.lose(9, 0, Some(&sent));
    stream.env.grant(2, 1);
    stream.end(1, 1);
    stream.done(1, None);
    assert_eq!(stream.env.core.stream_state(stream.slot, stream.generation), (3, true));
    let error = stream.reference(3);
    assert_eq!(stream.env.error_kind(&error).as_deref(), Some("replay_inconsistent"));
    stream.close();
    stream.env.end();
}

#[test]
fn death_without_retries_is_the_item_after_the_last() {
    let mut stream = Stream::submitted(STREAMING, 0, 0);
    stream.env.grant(1, 0);
    let sent = stream.env.sent().remove(0);
    stream.item(0, 0, small(b"a"), Vec::new());
    stream.env.lose(9, 0, Some(&sent));
    let (error, end) = (stream.reference(2), stream.reference(0));
    assert_eq!(stream.env.error_kind(&error).as_deref(), Some("worker_died"));
    assert_eq!(stream.env.error_kind(&end).as_deref(), Some("worker_died"));
    stream.close();
    stream.env.end();
}

/// The one result lists the items and holds them: they go with it.
#[test]
fn the_list_of_a_dynamic_task_holds_its_items() {
    let (mut stream, sent) = Stream::running(DYNAMIC, 5);
    assert_eq!(Stream::head(&sent).limit, 0, "nobody takes items before the end");
    stream.item(0, 0, small(&[1; 100]), Vec::new());
    stream.item(0, 1, small(&[2; 100]), Vec::new());
    stream.end(0, 2);
    let list = Returned { value: small(b"list"), contained: vec![stream.reference(1), stream.reference(2)] };
    let (slot, generation) = (stream.slot, stream.generation);
    let reply =
        Reply { slot, generation, attempt: 0, execution_ns: 1, raised: false, cancelled: false, exiting: false };
    stream.env.core.on_done(&reply, &mut vec![list], &[], worker(9), 0, &mut stream.env.sink);
    stream.env.core.sanity_check().expect("sane");
    let (kept, end) = (stream.reference(2), stream.reference(0));
    assert!(stream.env.core.retain(&kept));
    stream.env.core.release(&end);
    assert_eq!((stream.inline(1), stream.inline(2)), (None, Some(vec![2; 100])));
    stream.env.core.release(&kept);
    stream.env.end();
}

#[test]
fn borrowers_hold_items() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    stream.item(0, 0, small(b"a"), Vec::new());
    assert_eq!(stream.take(), NextItem::Item(1));
    let item = stream.reference(1);
    stream.env.core.lend(&item, worker(5));
    stream.env.core.release(&item);
    assert!(stream.inline(1).is_some());
    stream.env.core.on_query(PeerIndex(3), item.object);
    assert!(stream.env.effects().contains(&Effect::Answer { peer: PeerIndex(3), object: item.object }));
    stream.env.lose(5, 3, None);
    assert!(stream.inline(1).is_none(), "a dead borrower has given everything back");
    stream.done(0, None);
    stream.close();
    stream.env.end();
}

#[test]
fn whoever_waits_for_the_next_item_is_told_of_it_and_of_the_end() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    let (slot, generation) = (stream.slot, stream.generation);
    let waiter = |token| Waiter::Completion { queue: 1, token };
    assert!(stream.env.core.add_stream_waiter(slot, generation, waiter(5)));
    stream.item(0, 0, small(b"a"), Vec::new());
    assert!(stream.env.effects().contains(&Effect::Complete { queue: 1, token: 5 }));
    assert!(!stream.env.core.add_stream_waiter(slot, generation, waiter(6)), "it is there");
    stream.take();
    assert!(stream.env.core.add_stream_waiter(slot, generation, waiter(7)));
    stream.done(0, None);
    assert!(stream.env.effects().contains(&Effect::Complete { queue: 1, token: 7 }));
    let item = stream.reference(1);
    stream.env.core.release(&item);
    stream.close();
    stream.env.end();
}

/// OWN-7: so with items of a stream that has ended, and of an earlier attempt.
#[test]
fn items_that_come_again_from_a_recorder_free_nothing() {
    let (mut stream, _) = Stream::running(STREAMING, 0);
    let location = crate::Location { segment: trygon_ids::SegmentId(3), offset_bytes: 64, size_bytes: 1 << 20 };
    stream.item(0, 0, Value::Stored(location), Vec::new());
    stream.done(0, None);
    assert_eq!(stream.take(), NextItem::Item(1));
    stream.env.effects();
    stream.env.core.set_replaying(true);
    stream.item(0, 0, Value::Stored(location), Vec::new());
    stream.env.core.set_replaying(false);
    assert_eq!(stream.env.effects(), []);
    let item = stream.reference(1);
    stream.env.core.release(&item);
    assert_eq!(stream.env.effects(), [Effect::FreeStored { object: item.object, location }]);
    stream.close();
    stream.env.end();
}
