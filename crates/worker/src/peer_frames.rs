//! What peers say: tasks, replies, questions about objects.

use crate::engine::Engine;
use crate::link::Definition;
use crate::reply::parse_returns;
use crate::work::{Call, Work};
use std::sync::Arc;
use trygon_ids::{FunctionHash, ObjectId, SegmentId, WorkerId};
use trygon_wire::{FrameError, Header, Kind, decode, peer, task};
use trygon_worker_core::{Location, PeerIndex, Reference, Reply, SmallBytes, SystemError, Value};

fn reference(wire: &peer::Reference) -> Option<Reference> {
    let object = ObjectId::from_bytes(&wire.object_id).ok()?;
    Some(Reference { object, owner: WorkerId::from_bytes(&wire.owner).ok()? })
}

impl Engine {
    /// Reads once what a peer sent and handles every whole frame. True when something came.
    pub(crate) fn on_peer_readable(&mut self, index: PeerIndex) -> bool {
        let received = self.links.receive(index);
        self.handle_frames(index);
        self.activity += 1;
        received
    }

    fn handle_frames(&mut self, index: PeerIndex) {
        let mut reader = std::mem::take(&mut self.links.peer(index).reader);
        loop {
            let handled = match reader.next_frame() {
                Ok(Some((header, body))) => self.on_frame(index, header, body),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            self.activity += 1;
            if let Err(error) = handled {
                self.links.peer(index).is_garbled = true;
                // A peer of the same job that breaks the protocol is broken: nothing it says can be trusted. Its daemon ends it, and so it
                // becomes known what it had begun.
                self.links.lose(index, format!("what it said makes no sense: {error}"));
                self.tell_lost();
                return;
            }
        }
        self.links.peer(index).reader = reader;
    }

    /// Handles frames that a dead peer's flight recorder kept.
    pub(crate) fn on_late_frame(&mut self, index: PeerIndex, frame: &[u8]) {
        if let Ok(header) = Header::parse(frame) {
            self.core.set_replaying(true);
            let _ = self.on_frame(index, header, &frame[Header::LEN..]);
            self.core.set_replaying(false);
        }
    }

    fn on_frame(&mut self, index: PeerIndex, header: Header, body: &[u8]) -> Result<(), FrameError> {
        match header.kind {
            Kind::TaskDone => self.on_task_done(index, body),
            Kind::TaskPush => self.on_task_push(index, header.flags, body),
            Kind::StreamItem => self.on_stream_item(header.flags, body),
            Kind::StreamCredit => self.on_stream_credit(index, header.flags, body),
            Kind::FunctionDefine => {
                let message: peer::FunctionDefine = decode(body)?;
                let hash = FunctionHash::from_bytes(&message.hash).ok();
                let peer::FunctionDefine { name, max_calls, group, retries_errors, retry_classes, .. } = message;
                let definition = Definition { name, hash, max_calls, group, retries_errors, retry_classes };
                self.links.peer(index).definitions.push(Arc::new(definition));
                Ok(())
            }
            Kind::FunctionFetch => self.on_function_fetch(index, &decode(body)?),
            Kind::FunctionBody => {
                let message: peer::FunctionBody = decode(body)?;
                self.on_function_body(&message.hash, &message.body);
                Ok(())
            }
            Kind::LeaseBind => {
                self.on_lease_bind(decode(body)?);
                Ok(())
            }
            Kind::HandBack => {
                let message: peer::HandBack = decode(body)?;
                let tasks: Vec<(u32, u32, u32)> =
                    message.tasks.iter().map(|key| (key.slot, key.generation, key.attempt)).collect();
                let now_ns = self.clock.now_ns();
                self.core.on_hand_back(&tasks, message.blocked, now_ns, &mut self.links);
                Ok(())
            }
            Kind::ObjectQuery => {
                let message: peer::ObjectQuery = decode(body)?;
                let object =
                    ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
                self.core.on_query(index, object);
                Ok(())
            }
            Kind::ObjectReply => self.on_object_reply(&decode(body)?),
            Kind::ObjectLost => self.on_object_lost(&decode(body)?),
            Kind::CopyQuery => self.on_copy_query(index, &decode(body)?),
            Kind::LocationUpdate => self.on_location_update(index, &decode(body)?),
            Kind::BorrowReport => self.on_borrow_report(index, &decode(body)?),
            Kind::Steal => {
                let message: peer::Steal = decode(body)?;
                self.hand_back(Some((index, message.count as usize)), false);
                Ok(())
            }
            Kind::Cancel => self.on_cancel(index, &decode(body)?),
            Kind::CancelObject => self.on_cancel_object(index, &decode(body)?),
            Kind::CancelAnswer => {
                self.on_cancel_answer(&decode(body)?);
                Ok(())
            }
            other => Err(FrameError::UnknownKind(other as u16)),
        }
    }

    fn on_task_done(&mut self, index: PeerIndex, body: &[u8]) -> Result<(), FrameError> {
        let (done, rest) = task::Done::parse(body)?;
        let mut returned = std::mem::take(&mut self.returned);
        let kept = parse_returns(rest, done.num_returns, done.flags & task::DONE_KEPT != 0, &mut returned);
        let Some(kept) = kept else {
            returned.clear();
            self.returned = returned;
            return Err(FrameError::Malformed("results"));
        };
        let reply = Reply {
            slot: done.slot,
            generation: done.generation,
            attempt: done.attempt,
            execution_ns: done.execution_ns,
            raised: done.status == task::STATUS_ERROR,
            cancelled: done.status == task::STATUS_CANCELLED,
            exiting: done.flags & task::DONE_EXITING != 0,
        };
        let executor = self.links.peer(index).worker;
        let now_ns = self.clock.now_ns();
        self.core.on_done(&reply, &mut returned, &kept, executor, now_ns, &mut self.links);
        returned.clear();
        self.returned = returned;
        Ok(())
    }

    fn on_task_push(&mut self, index: PeerIndex, flags: u8, body: &[u8]) -> Result<(), FrameError> {
        let (push, payload) = task::Push::parse(flags, body)?;
        let definitions = &self.links.peer(index).definitions;
        let definition = definitions.get(push.function as usize).cloned();
        let definition = definition.ok_or(FrameError::Malformed("function that was never defined"))?;
        let is_actor_call = flags & task::FLAG_ACTOR != 0;
        let is_retriable = flags & task::FLAG_RETRIABLE != 0;
        let payload = SmallBytes::copy_of(self.note_stream(index, &push, payload)?);
        let call = Call { tag: 0, peer: index, push, is_actor_call, is_retriable, definition, payload };
        self.work.push_back(Work::Call(call));
        if self.blocked && !is_actor_call {
            self.hand_back(None, true);
        }
        Ok(())
    }

    /// Gives plain tasks that were not started back to their owners: all of them, or the last `limit` of one peer's.
    pub(crate) fn hand_back(&mut self, limit: Option<(PeerIndex, usize)>, blocked: bool) {
        let mut back: Vec<(PeerIndex, peer::TaskKey)> = Vec::new();
        let mut kept = std::collections::VecDeque::with_capacity(self.work.len());
        while let Some(work) = self.work.pop_back() {
            match work {
                Work::Call(call)
                    if !call.is_actor_call
                        && limit.is_none_or(|(peer, count)| peer == call.peer && back.len() < count) =>
                {
                    self.forget_stream(&call);
                    let task::Push { slot, generation, attempt, .. } = call.push;
                    back.push((call.peer, peer::TaskKey { slot, generation, attempt }));
                }
                other => kept.push_front(other),
            }
        }
        self.work = kept;
        back.reverse();
        while let Some(index) = back.first().map(|(peer, _)| *peer) {
            let (mine, others): (Vec<_>, Vec<_>) = back.into_iter().partition(|(peer, _)| *peer == index);
            let tasks = mine.into_iter().map(|(_, key)| key).collect();
            self.links.send(index, Kind::HandBack, &peer::HandBack { tasks, blocked });
            back = others;
        }
    }

    fn on_function_fetch(&mut self, index: PeerIndex, message: &peer::FunctionFetch) -> Result<(), FrameError> {
        let hash = FunctionHash::from_bytes(&message.hash).map_err(|_| FrameError::Malformed("function hash"))?;
        let body = self.exported.get(&hash).map(|body| body.to_vec()).unwrap_or_default();
        self.links.send(index, Kind::FunctionBody, &peer::FunctionBody { hash: message.hash.clone(), body });
        Ok(())
    }

    pub(crate) fn on_function_body(&mut self, hash: &[u8], body: &[u8]) {
        let Ok(hash) = FunctionHash::from_bytes(hash) else {
            return;
        };
        if body.is_empty() {
            self.missing.insert(hash);
        } else {
            self.missing.remove(&hash);
            self.fetched.insert(hash, body.into());
        }
    }

    fn on_object_reply(&mut self, message: &peer::ObjectReply) -> Result<(), FrameError> {
        let object = ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
        let value = match message.form {
            0 => Value::Inline(SmallBytes::copy_of(&message.value)),
            1 => Value::Stored(Location {
                segment: SegmentId(message.segment_id),
                offset_bytes: message.offset_bytes,
                size_bytes: message.size_bytes,
            }),
            2 => Value::Error(message.value.as_slice().into()),
            _ => Value::Error(SystemError::new("object_freed").with("object_id", object.hex()).encode()),
        };
        let contained: Option<Vec<Reference>> = message.contained.iter().map(reference).collect();
        let contained = contained.ok_or(FrameError::Malformed("reference"))?;
        self.core.on_object_reply(&object, value, contained, &mut self.links);
        Ok(())
    }

    fn on_borrow_report(&mut self, index: PeerIndex, message: &peer::BorrowReport) -> Result<(), FrameError> {
        let object = ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
        let borrower = WorkerId::from_bytes(&message.borrower).map_err(|_| FrameError::Malformed("borrower"))?;
        if message.lends > 0 && borrower == self.links.peer(index).worker {
            self.core.on_borrow_again(&object, borrower);
        } else {
            self.core.on_borrow_report(&object, borrower, message.lends);
        }
        let is_known = borrower == self.links.peer(index).worker || self.peer_of.contains_key(&borrower);
        if message.lends > 0 && !is_known {
            // Connected only to learn of its death: a dead borrower has given everything back.
            self.watch_process(borrower);
        }
        Ok(())
    }
}
