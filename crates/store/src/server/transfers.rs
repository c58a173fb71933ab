//! Objects of other nodes in the daemon's loop: what its processes ask for and let go, and what the transfer threads say.

use crate::client::StoreClient;
use crate::server::store_server::{Outgoing, StoreServer, location, object_id};
use crate::server::transfers_state::{TransferOptions, Transfers};
use crate::transfer::{Courier, Event, Events, Fetcher, Request, Threads, TransferHandle};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store_core::{ObjectLocation, Priority, PullLimits, PullRequest, PullTable, ServeTable, Source, node_of};
use trygon_wire::control::{ObjectPull, ObjectPulled};
use trygon_wire::{FrameError, Kind, encode};

/// Pause after no source of an object could be reached.
const RETRY_MS: u64 = 1_000;
/// A living node that cannot be reached for so long will not be: a dead one is reported within seconds.
const GIVE_UP_MS: u64 = 60_000;
/// What is on its way may take this share of the store.
const BUDGET_SHARE: u64 = 4;

impl StoreServer {
    /// Joins a cluster: from now on objects of other nodes are fetched, and objects of this one are served. Starts the threads.
    ///
    /// # Errors
    /// When the system has no threads or descriptors left.
    pub fn start_transfers(&mut self, options: TransferOptions) -> io::Result<TransferHandle> {
        let TransferOptions { own, dial, budget_bytes } = options;
        let (events, reporter) = Events::new()?;
        let threads = Threads::default();
        let connections = Arc::new(crate::transfer::Connections::new(dial));
        let fetcher = Fetcher::start(&threads, connections.clone(), reporter.clone())?;
        let courier = Courier::start(&threads, connections)?;
        let budget_bytes = if budget_bytes == 0 { self.options.capacity_bytes / BUDGET_SHARE } else { budget_bytes };
        let limits = PullLimits { budget_bytes, retry_ms: RETRY_MS, give_up_ms: GIVE_UP_MS };
        self.transfers = Some(Box::new(Transfers {
            own,
            pulls: PullTable::new(limits),
            serves: ServeTable::default(),
            effects: Vec::new(),
            client: StoreClient::new(),
            rooms: HashMap::new(),
            roomless: BTreeMap::new(),
            next_request: 1,
            served: BTreeMap::new(),
            fetcher,
            courier,
            events,
            now_ms: 0,
            client_then_ms: 0,
        }));
        Ok(TransferHandle { threads, reporter })
    }

    /// Readable when `on_transfer_events` has something to do; `None` outside of a cluster.
    pub fn transfer_events(&self) -> Option<BorrowedFd<'_>> {
        self.transfers.as_ref().map(|transfers| transfers.events.as_fd())
    }

    /// Handles what the transfer threads said.
    pub fn on_transfer_events(&mut self, now_ms: u64) -> Vec<Outgoing> {
        let events = self.transfers.as_ref().map(|transfers| transfers.events.take()).unwrap_or_default();
        for event in events {
            match event {
                Event::Asked(asked) => self.on_asked(asked, now_ms),
                Event::Sent { object, location, reads, to_node, answer } => {
                    // Whoever waits for the answer may be gone, and its connection with it.
                    let _ = answer.send(self.is_served(&object, &location));
                    self.on_send_ended(&object, reads, to_node, now_ms);
                }
                Event::Abandoned { object, reads, to_node } => self.on_send_ended(&object, reads, to_node, now_ms),
                Event::Freed { object, location } => {
                    let nobody = WorkerId::nil();
                    self.table.on_freed(nobody, object, location, false, now_ms, &mut self.effects);
                }
                Event::Fetched { object, end } => {
                    if let Some(transfers) = &mut self.transfers {
                        transfers.pulls.on_fetched(&object, end, now_ms, &mut transfers.effects);
                    }
                }
            }
        }
        self.perform(now_ms)
    }

    /// Another node is gone: nothing is fetched from it any more.
    pub fn on_node_died(&mut self, node: u32, now_ms: u64) -> Vec<Outgoing> {
        if let Some(transfers) = &mut self.transfers {
            transfers.serves.on_node_died(node);
            transfers.pulls.on_node_died(node, &mut transfers.effects);
        }
        self.perform(now_ms)
    }

    /// A process asks for a copy. What cannot even begin is refused here.
    pub(crate) fn on_pull(&mut self, from: WorkerId, pull: &ObjectPull) -> Result<Option<Outgoing>, FrameError> {
        let object = object_id(&pull.object_id)?;
        let location = location(pull.segment_id, pull.offset_bytes, pull.size_bytes)?;
        let node = node_of(location.segment);
        self.spilling.numbers.insert((from, object), pull.number);
        let priority = match pull.priority {
            0 => Priority::Get,
            1 => Priority::Wait,
            2 => Priority::Argument,
            _ => return Err(FrameError::Malformed("a pull without a known priority")),
        };
        let refuse = |message: &str| {
            let (object_id, error, message) = (pull.object_id.clone(), "lost".to_owned(), message.to_owned());
            let reply = ObjectPulled { object_id, error, message, number: pull.number, ..Default::default() };
            Ok(Some(Outgoing { to: from, frame: encode(Kind::ObjectPulled, &reply), descriptor: None }))
        };
        if node == self.table.node_number() {
            return Ok(self.on_local_pull(from, object, location, priority));
        }
        let Some(transfers) = &mut self.transfers else {
            return refuse("it lies on another machine, and this node is not part of a cluster");
        };
        let request = PullRequest { from, object, node, location, priority };
        transfers.pulls.on_pull(&request, &mut transfers.effects);
        Ok(None)
    }

    /// A process needs a copy no more.
    pub(crate) fn on_release(&mut self, from: WorkerId, object: &ObjectId) {
        if let Some(transfers) = &mut self.transfers {
            transfers.pulls.on_release(from, object, &mut transfers.effects);
        }
    }

    /// The owner of an object of another node needs it no more: its node is told.
    pub(crate) fn free_elsewhere(&mut self, object: ObjectId, location: ObjectLocation) {
        let own_node = self.table.node_number();
        if let Some(transfers) = &mut self.transfers {
            let own = ObjectLocation { segment: SegmentId(0), offset_bytes: 0, size_bytes: location.size_bytes };
            let asker = Source { node: own_node, location: own, is_direct: false, failed_node: None };
            transfers.courier.send(node_of(location.segment), Request::free(object, location, asker));
        }
    }

    /// Time has passed.
    pub(crate) fn on_transfers_tick(&mut self, now_ms: u64) {
        let Some(transfers) = &mut self.transfers else { return };
        transfers.now_ms = now_ms;
        transfers.client_then_ms = transfers.client.now_ms();
        transfers.pulls.on_tick(now_ms, &mut transfers.effects);
        transfers.forget_unused(now_ms);
        let idle = transfers.client.idle_segments(transfers.client.now_ms());
        self.give_back(idle, now_ms);
    }

    /// What copies left empty goes back at once.
    pub(crate) fn give_back_empty(&mut self, now_ms: u64) {
        let idle = self.transfers.as_ref().map(|transfers| transfers.client.idle_segments(u64::MAX / 2));
        self.give_back(idle.unwrap_or_default(), now_ms);
    }

    fn give_back(&mut self, segments: Vec<u64>, now_ms: u64) {
        let Some(transfers) = &self.transfers else { return };
        let own = transfers.own;
        for segment in segments {
            self.table.on_segment_return(own, SegmentId(segment), now_ms, &mut self.effects);
        }
    }
}
