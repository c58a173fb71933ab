//! A server and five clients in one process; what the server sends is delivered at once.

use std::collections::BTreeMap;
use trygon_ids::{ObjectId, WorkerId};
use trygon_store::client::{Allocation, Reservation, StoreClient};
use trygon_store::server::{Outgoing, StoreServer};
use trygon_store_core::ObjectLocation;
use trygon_wire::control::{
    ObjectFree, ObjectSealed, Reclaim, SegmentGranted, SegmentMap, SegmentMapped, SegmentRefused, SegmentRequest,
    SegmentReturn,
};
use trygon_wire::{Header, Kind, Message, decode};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) struct Env {
    pub(crate) server: StoreServer,
    clients: BTreeMap<u8, StoreClient>,
    refused: Vec<SegmentRefused>,
    gone: usize,
}

pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(crate) fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 28])
}

impl Env {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let clients = (1..=5).map(|number| (number, StoreClient::new())).collect();
        Self { server: StoreServer::new(capacity_bytes), clients, refused: Vec::new(), gone: 0 }
    }

    pub(crate) fn client(&self, number: u8) -> &StoreClient {
        &self.clients[&number]
    }

    fn send(&mut self, from: u8, kind: Kind, message: &impl Message) -> Vec<Kind> {
        assert!(StoreServer::handles(kind));
        let outgoing = self.server.on_frame(worker(from), kind, &message.encode_to_vec(), 0).expect("a correct client");
        self.deliver(outgoing)
    }

    fn deliver(&mut self, outgoing: Vec<Outgoing>) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for Outgoing { to, frame, descriptor } in outgoing {
            let header = Header::parse(&frame).expect("a frame");
            let body = &frame[Header::LEN..];
            assert_eq!(body.len(), header.body_len);
            kinds.push(header.kind);
            let client = &self.clients[&to.as_bytes()[0]];
            match header.kind {
                Kind::SegmentGranted => {
                    let granted: SegmentGranted = decode(body).expect("a body");
                    let descriptor = descriptor.expect("beside the frame");
                    client.add_segment(granted.segment_id, granted.size_bytes, descriptor).expect("mapped");
                }
                Kind::SegmentMapped => {
                    let mapped: SegmentMapped = decode(body).expect("a body");
                    assert_eq!(mapped.size_bytes > 0, descriptor.is_some());
                    match descriptor {
                        Some(descriptor) => {
                            client.add_mapping(mapped.segment_id, mapped.size_bytes, descriptor).expect("mapped");
                        }
                        None => self.gone += 1,
                    }
                }
                Kind::Reclaim => {
                    let range: Reclaim = decode(body).expect("a body");
                    assert!(client.free(range.segment_id, range.offset_bytes, range.size_bytes));
                }
                Kind::SegmentRefused => self.refused.push(decode(body).expect("a body")),
                other => panic!("the store does not send {other:?}"),
            }
        }
        self.sanity_check();
        kinds
    }

    pub(crate) fn request(&mut self, from: u8, size_bytes: u64) -> Vec<Kind> {
        self.send(from, Kind::SegmentRequest, &SegmentRequest { request_id: 1, size_bytes })
    }

    pub(crate) fn reserve(&mut self, from: u8, len: u64) -> Allocation {
        loop {
            match self.client(from).reserve(len) {
                Reservation::Ready(allocation) => return allocation,
                Reservation::NeedSegment { size_bytes } => {
                    self.request(from, size_bytes);
                }
            }
        }
    }

    pub(crate) fn put(&mut self, from: u8, id: u8, owner: u8, parts: &[&[u8]]) -> ObjectLocation {
        let mut allocation = self.reserve(from, parts.iter().map(|part| part.len() as u64).sum());
        assert!(allocation.write_parts(parts));
        let place = allocation.seal();
        let sealed = ObjectSealed {
            object_id: object(id).as_bytes().to_vec(),
            segment_id: place.segment.0,
            offset_bytes: place.offset_bytes,
            size_bytes: place.size_bytes,
            owner: worker(owner).as_bytes().to_vec(),
        };
        self.send(from, Kind::ObjectSealed, &sealed);
        place
    }

    pub(crate) fn free(&mut self, from: u8, id: u8, place: ObjectLocation, reclaimed: bool) {
        let free = ObjectFree {
            object_id: object(id).as_bytes().to_vec(),
            segment_id: place.segment.0,
            offset_bytes: place.offset_bytes,
            size_bytes: place.size_bytes,
            reclaimed,
        };
        self.send(from, Kind::ObjectFree, &free);
    }

    /// None when the segment is gone.
    pub(crate) fn map(&mut self, from: u8, segment_id: u64) -> Option<()> {
        let gone = self.gone;
        self.send(from, Kind::SegmentMap, &SegmentMap { segment_id });
        (self.gone == gone).then_some(())
    }

    pub(crate) fn return_idle(&mut self, from: u8, now_ms: u64) {
        for segment_id in self.client(from).idle_segments(now_ms) {
            self.send(from, Kind::SegmentReturn, &SegmentReturn { segment_id });
        }
    }

    pub(crate) fn die(&mut self, who: u8) {
        self.clients.remove(&who);
        let outgoing = self.server.on_worker_died(worker(who), 0);
        self.deliver(outgoing);
    }

    pub(crate) fn tick(&mut self, now_ms: u64) {
        let outgoing = self.server.on_tick(now_ms);
        self.deliver(outgoing);
    }

    pub(crate) fn tick_refused(&mut self, now_ms: u64) -> SegmentRefused {
        self.tick(now_ms);
        self.refused.pop().expect("a refusal")
    }

    pub(crate) fn sanity_check(&self) {
        self.server.sanity_check().expect("the invariants hold");
    }
}
