//! Several nodes in one process, each with a store of its own, connected by TCP over loopback; frames of their processes handed over as the
//! daemon would.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trygon_ids::{ObjectId, WorkerId};
use trygon_store::client::{Reservation, StoreClient};
use trygon_store::server::{Outgoing, StoreOptions, StoreServer, TransferOptions};
use trygon_store::transfer::{Stream, TransferHandle};
use trygon_store_core::ObjectLocation;
use trygon_wire::control::{
    ObjectFree, ObjectPull, ObjectPulled, ObjectSealed, Reclaim, ReplicaRelease, SegmentGranted, SegmentMap,
    SegmentMapped, SegmentRequest,
};
use trygon_wire::{Header, Kind, Message, decode};

pub(crate) const MIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// What the network does to a node.
#[derive(Debug)]
pub(crate) struct Network {
    addresses: Mutex<BTreeMap<u32, SocketAddr>>,
    down: BTreeMap<u32, AtomicBool>,
    /// Bytes that streams to the node carry before they break; negative for no end.
    cut_after: BTreeMap<u32, AtomicI64>,
    /// Bytes that each node has sent.
    pub(crate) sent: Arc<BTreeMap<u32, AtomicI64>>,
}

impl Network {
    pub(crate) fn set_down(&self, node: u32, is_down: bool) {
        self.down[&node].store(is_down, Ordering::SeqCst);
    }

    pub(crate) fn cut_after(&self, node: u32, bytes: i64) {
        self.cut_after[&node].store(bytes, Ordering::SeqCst);
    }

    /// Who dials this node gets there from now on.
    pub(crate) fn set_address(&self, node: u32, address: SocketAddr) {
        self.addresses.lock().expect("no panic").insert(node, address);
    }

    fn dial(&self, from: u32, to: u32) -> io::Result<Box<dyn Stream>> {
        if self.down[&to].load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let address = self.addresses.lock().expect("no panic").get(&to).copied().ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&from.to_le_bytes())?;
        let left = self.cut_after[&to].load(Ordering::SeqCst);
        Ok(Box::new(Cut { stream, left }))
    }
}

/// A stream that breaks after so many bytes came.
struct Cut {
    stream: TcpStream,
    left: i64,
}

impl Read for Cut {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let len = if self.left < 0 { buffer.len() } else { buffer.len().min(self.left as usize) };
        let read = self.stream.read(&mut buffer[..len])?;
        if self.left > 0 {
            self.left -= read as i64;
        }
        Ok(read)
    }
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Cut {
    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_timeout(limit)
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket()
    }
}

/// Counts what a node sends.
struct Counted {
    stream: TcpStream,
    node: u32,
    sent: Arc<BTreeMap<u32, AtomicI64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.sent[&self.node].fetch_add(written as i64, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Counted {
    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_timeout(limit)
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket()
    }
}

pub(crate) struct Node {
    pub(crate) server: StoreServer,
    clients: HashMap<u8, StoreClient>,
    /// Answers to pulls, by process and object.
    pub(crate) answers: HashMap<(u8, ObjectId), ObjectPulled>,
    refused: bool,
}

pub(crate) struct Cluster {
    pub(crate) nodes: BTreeMap<u32, Node>,
    pub(crate) network: Arc<Network>,
    started: Instant,
    /// Added to the clock.
    pub(crate) skipped_ms: u64,
}

pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(crate) fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 28])
}

/// Bytes that tell objects and places apart.
pub(crate) fn pattern(seed: u8, len: u64) -> Vec<u8> {
    (0..len).map(|index| (index / 7 + index * 31 + u64::from(seed) * 101) as u8).collect()
}

fn listen(listener: TcpListener, node: u32, handle: TransferHandle, sent: Arc<BTreeMap<u32, AtomicI64>>) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut from = [0; 4];
            if stream.read_exact(&mut from).is_ok() {
                let stream = Counted { stream, node, sent: sent.clone() };
                handle.accept(Box::new(stream), u32::from_le_bytes(from));
            }
        }
    });
}

impl Cluster {
    pub(crate) fn new(numbers: std::ops::RangeInclusive<u32>, capacity_bytes: u64) -> Self {
        let fresh = |value: i64| numbers.clone().map(|node| (node, AtomicI64::new(value))).collect::<BTreeMap<_, _>>();
        let network = Arc::new(Network {
            addresses: Mutex::new(BTreeMap::new()),
            down: numbers.clone().map(|node| (node, AtomicBool::new(false))).collect(),
            cut_after: fresh(-1),
            sent: Arc::new(fresh(0)),
        });
        let mut nodes = BTreeMap::new();
        for number in numbers {
            let options = StoreOptions { node_number: number, wait_ms: 500, ..StoreOptions::new(capacity_bytes) };
            let mut server = StoreServer::with_options(options);
            let dialling = network.clone();
            let dial = Arc::new(move |to| dialling.dial(number, to));
            let options = TransferOptions { own: worker(255), dial, budget_bytes: 0 };
            let handle = server.start_transfers(options).expect("threads");
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            network.addresses.lock().expect("no panic").insert(number, listener.local_addr().expect("bound"));
            listen(listener, number, handle, network.sent.clone());
            let clients = (1..=5).map(|number| (number, StoreClient::new())).collect();
            nodes.insert(number, Node { server, clients, answers: HashMap::new(), refused: false });
        }
        Self { nodes, network, started: Instant::now(), skipped_ms: 0 }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + self.skipped_ms
    }

    fn node(&mut self, node: u32) -> &mut Node {
        self.nodes.get_mut(&node).expect("a node")
    }

    fn send(&mut self, node: u32, from: u8, kind: Kind, message: &impl Message) {
        let now_ms = self.now_ms();
        let node = self.node(node);
        let outgoing = node.server.on_frame(worker(from), kind, &message.encode_to_vec(), now_ms);
        node.deliver(outgoing.expect("a correct client"));
    }

    /// One turn of every node's loop.
    pub(crate) fn turn(&mut self) {
        let now_ms = self.now_ms();
        for node in self.nodes.values_mut() {
            let outgoing = node.server.on_transfer_events(now_ms);
            node.deliver(outgoing);
            if node.server.next_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                let outgoing = node.server.on_tick(now_ms);
                node.deliver(outgoing);
            }
            node.server.sanity_check().expect("the invariants hold");
        }
    }

    /// Turns until something holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "{what} did not come");
            self.turn();
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    pub(crate) fn put(&mut self, node: u32, from: u8, id: u8, bytes: &[u8]) -> ObjectLocation {
        let allocation = loop {
            match self.node(node).clients[&from].reserve(bytes.len() as u64) {
                Reservation::Ready(allocation) => break allocation,
                Reservation::NeedSegment { size_bytes } => {
                    self.node(node).refused = false;
                    self.send(node, from, Kind::SegmentRequest, &SegmentRequest { request_id: 1, size_bytes });
                    self.turn();
                    assert!(!self.node(node).refused, "the store is full");
                }
            }
        };
        let mut allocation = allocation;
        assert!(allocation.write_parts(&[bytes]));
        let place = allocation.seal();
        let sealed = ObjectSealed {
            object_id: object(id).as_bytes().to_vec(),
            segment_id: place.segment.0,
            offset_bytes: place.offset_bytes,
            size_bytes: place.size_bytes,
            owner: worker(from).as_bytes().to_vec(),
        };
        self.send(node, from, Kind::ObjectSealed, &sealed);
        place
    }

    pub(crate) fn free(&mut self, node: u32, from: u8, id: u8, place: ObjectLocation) {
        let free = ObjectFree {
            object_id: object(id).as_bytes().to_vec(),
            segment_id: place.segment.0,
            offset_bytes: place.offset_bytes,
            size_bytes: place.size_bytes,
            reclaimed: false,
        };
        self.send(node, from, Kind::ObjectFree, &free);
    }

    pub(crate) fn pull(&mut self, node: u32, from: u8, id: u8, place: ObjectLocation) {
        self.node(node).answers.remove(&(from, object(id)));
        let pull = ObjectPull {
            object_id: object(id).as_bytes().to_vec(),
            segment_id: place.segment.0,
            offset_bytes: place.offset_bytes,
            size_bytes: place.size_bytes,
            priority: 0,
            number: 1,
        };
        self.send(node, from, Kind::ObjectPull, &pull);
    }

    pub(crate) fn release(&mut self, node: u32, from: u8, id: u8) {
        let object_id = object(id).as_bytes().to_vec();
        self.send(node, from, Kind::ReplicaRelease, &ReplicaRelease { object_id });
    }

    pub(crate) fn die(&mut self, node: u32, who: u8) {
        let now_ms = self.now_ms();
        let node = self.node(node);
        let outgoing = node.server.on_worker_died(worker(who), now_ms);
        node.deliver(outgoing);
    }

    pub(crate) fn node_died(&mut self, node: u32) {
        let now_ms = self.now_ms();
        self.nodes.remove(&node);
        self.network.set_down(node, true);
        for other in self.nodes.values_mut() {
            let outgoing = other.server.on_node_died(node, now_ms);
            other.deliver(outgoing);
        }
    }

    pub(crate) fn has_answer(&self, node: u32, from: u8, id: u8) -> bool {
        self.nodes[&node].answers.contains_key(&(from, object(id)))
    }

    /// Waits for the answer to a pull.
    pub(crate) fn answer(&mut self, node: u32, from: u8, id: u8) -> ObjectPulled {
        self.until("the answer", |cluster| cluster.has_answer(node, from, id));
        self.nodes[&node].answers[&(from, object(id))].clone()
    }

    /// Waits for the copy, and reads it as its holder does.
    pub(crate) fn read(&mut self, node: u32, from: u8, id: u8) -> Vec<u8> {
        let pulled = self.answer(node, from, id);
        assert_eq!(pulled.error, "", "{}", pulled.message);
        assert_eq!(pulled.segment_id >> 40, u64::from(node));
        self.send(node, from, Kind::SegmentMap, &SegmentMap { segment_id: pulled.segment_id });
        let bytes = self.node(node).clients[&from].bytes(pulled.segment_id, pulled.offset_bytes, pulled.size_bytes);
        bytes.expect("mapped").to_vec()
    }

    pub(crate) fn figure(&self, node: u32, name: &str) -> u64 {
        let figures = self.nodes[&node].server.stats_json();
        let (_, rest) = figures.split_once(&format!("\"{name}\":")).expect("a figure");
        rest.split([',', '}']).next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Node {
    fn deliver(&mut self, outgoing: Vec<Outgoing>) {
        for Outgoing { to, frame, descriptor } in outgoing {
            let header = Header::parse(&frame).expect("a frame");
            let body = &frame[Header::LEN..];
            let number = to.as_bytes()[0];
            let client = &self.clients[&number];
            match header.kind {
                Kind::SegmentGranted => {
                    let granted: SegmentGranted = decode(body).expect("a body");
                    let descriptor = descriptor.expect("beside the frame");
                    client.add_segment(granted.segment_id, granted.size_bytes, descriptor).expect("mapped");
                }
                Kind::SegmentMapped => {
                    let mapped: SegmentMapped = decode(body).expect("a body");
                    let descriptor = descriptor.expect("the segment is there");
                    client.add_mapping(mapped.segment_id, mapped.size_bytes, descriptor).expect("mapped");
                }
                Kind::Reclaim => {
                    let range: Reclaim = decode(body).expect("a body");
                    assert!(client.free(range.segment_id, range.offset_bytes, range.size_bytes));
                }
                Kind::SegmentRefused => self.refused = true,
                Kind::ObjectPulled => {
                    let pulled: ObjectPulled = decode(body).expect("a body");
                    let object = ObjectId::from_bytes(&pulled.object_id).expect("an id");
                    self.answers.insert((number, object), pulled);
                }
                other => panic!("the store does not send {other:?}"),
            }
        }
    }
}
