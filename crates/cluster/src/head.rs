//! The link to the head: one stream, opened again for ever.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tonic::Request;
use trygon_ids::NodeId;
use trygon_proto::v1::HeadToNode;
use trygon_rpc::{Expected, Purpose};

use crate::backoff::Backoff;
use crate::connection::{Connection, connect, ended_reason};
use crate::kinds::start_task;
use crate::message::Incoming;
use crate::outflow::{Keeping, Outflow};
use crate::shared::Shared;

const ATTACH: &str = "/trygon.v1.Head/Attach";

/// The control service has no node's id.
const NOBODY: NodeId = NodeId::new([0; NodeId::LEN]);

/// The link from outside: where its messages go in.
#[derive(Debug)]
pub(crate) struct HeadLink {
    outflow: Outflow,
    /// The connection that waits for its registration, if one does.
    unregistered: Arc<Mutex<Option<u64>>>,
    task: AbortHandle,
}

impl HeadLink {
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        let outflow = Outflow::new(Keeping::UntilTaken);
        let unregistered = Arc::new(Mutex::new(None));
        let runner = Runner { shared: shared.clone(), outflow: outflow.clone(), unregistered: unregistered.clone() };
        Self { outflow, unregistered, task: start_task(runner.run()) }
    }

    /// Adds a message; says how many bytes wait.
    pub(crate) fn push(&self, message: Bytes) -> usize {
        self.outflow.push(message)
    }

    /// Opens the stream with this message.
    pub(crate) fn register(&self, connection: u64, message: Bytes) {
        let mut unregistered = self.unregistered.lock();
        if *unregistered == Some(connection) {
            *unregistered = None;
            self.outflow.begin_with(message);
            self.outflow.open();
        }
    }

    /// Ends the stream when everything was sent.
    pub(crate) fn close(&self) {
        self.outflow.close();
    }

    /// Whether the stream ended after `close`, or there was none.
    pub(crate) fn is_closed(&self) -> bool {
        self.task.is_finished() || !self.outflow.is_open()
    }
}

impl Drop for HeadLink {
    fn drop(&mut self) {
        self.task.abort();
        self.outflow.pause();
    }
}

struct Runner {
    shared: Arc<Shared>,
    outflow: Outflow,
    unregistered: Arc<Mutex<Option<u64>>>,
}

impl Runner {
    async fn run(self) {
        let mut back_off = Backoff::new(self.shared.limits.back_off, self.shared.seed());
        let mut reported = String::new();
        loop {
            let number = self.shared.next_session();
            let preamble = self.shared.preamble(Purpose::Control, &NOBODY);
            let address = &self.shared.head_address;
            let reason = match connect(&self.shared, address, &preamble, Expected::Control).await {
                Ok(connection) => {
                    reported.clear();
                    let ended = self.attach(number, connection, &mut back_off).await;
                    *self.unregistered.lock() = None;
                    let is_closing = self.outflow.is_closing();
                    self.outflow.pause();
                    if is_closing {
                        return;
                    }
                    ended
                }
                Err(reason) => reason,
            };
            // Said once, not at every attempt.
            if reason != reported {
                self.shared.inbox.put(Incoming::HeadLost { reason: reason.clone() }, 0);
                reported = reason;
            }
            sleep(back_off.step()).await;
        }
    }

    /// Speaks with the head until the connection ends; says why it did.
    async fn attach(&self, number: u64, connection: Connection, back_off: &mut Backoff) -> String {
        let Connection { requests, mut driver, tasks: _tasks } = connection;
        let shared = &self.shared;
        let request = Request::new(self.outflow.stream());
        *self.unregistered.lock() = Some(number);
        shared.inbox.put(Incoming::HeadBack { connection: number }, 0);
        let speaking = async {
            let mut stream = requests.stream::<HeadToNode>(ATTACH, request, shared.limits.message_bytes).await?;
            while let Some(message) = stream.message().await? {
                back_off.reset();
                let bytes = message.encoded_len();
                shared.inbox.room().await;
                shared.inbox.put(Incoming::FromHead(Box::new(message)), bytes);
            }
            Ok::<_, tonic::Status>(())
        };
        tokio::select! {
            biased;
            spoken = speaking => match spoken {
                Ok(()) => "the head ended the stream".to_owned(),
                Err(status) => status.message().to_owned(),
            },
            ended = &mut driver => ended_reason(&ended),
        }
    }
}
