//! What other nodes have to say: the server of `Node.Tell`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use trygon_ids::NodeId;
use trygon_proto::v1::node_server::Node;
use trygon_proto::v1::{NodeToNode, Told};

use crate::kinds::start_task;
use crate::message::Incoming;
use crate::sessions::{Begin, Sessions};
use crate::shared::Shared;

/// Metadata: the number of the session.
pub(crate) const SESSION: &str = "trygon-session";
/// Metadata: how many messages of the session are known to have arrived.
pub(crate) const ACKNOWLEDGED: &str = "trygon-acknowledged";

/// What arrived is acknowledged this often, or when it is this much.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(20);
const ACKNOWLEDGE_BYTES: usize = 1 << 20;

/// Serves one node on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sessions: Arc<Mutex<Sessions>>,
    /// As its certificate says.
    pub(crate) node: NodeId,
}

#[tonic::async_trait]
impl Node for Listening {
    type TellStream = Receipts;

    async fn tell(&self, request: Request<Streaming<NodeToNode>>) -> Result<Response<Receipts>, Status> {
        let session = number(request.metadata(), SESSION)?;
        let acknowledged = number(request.metadata(), ACKNOWLEDGED)?;
        let (connection, received) = match self.sessions.lock().begin(self.node, session, acknowledged) {
            Begin::Unknown => {
                return Err(Status::failed_precondition("the other node has given up what was said before"));
            }
            Begin::Resumed { connection, received } => (connection, received),
            Begin::Fresh { connection, lapsed } => {
                if lapsed {
                    self.lapsed();
                }
                (connection, 0)
            }
        };
        let (receipts, stream) = mpsc::channel(4);
        // There is room: it is the first.
        let _ = receipts.try_send(Told { received });
        let reader = Reader { listening: self.clone(), connection, receipts, received, unacknowledged_bytes: 0 };
        start_task(reader.run(request.into_inner()));
        Ok(Response::new(Receipts { stream }))
    }
}

impl Listening {
    fn lapsed(&self) {
        self.shared.report_unreachable(self.node, "it broke off what it was saying".to_owned());
    }
}

/// Reads what the node says until it has no more to say or the connection breaks.
struct Reader {
    listening: Listening,
    connection: u64,
    receipts: mpsc::Sender<Told>,
    received: u64,
    unacknowledged_bytes: usize,
}

impl Reader {
    async fn run(mut self, mut stream: Streaming<NodeToNode>) {
        let mut tick = interval(ACKNOWLEDGE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                biased;
                message = stream.message() => message,
                _ = tick.tick(), if self.unacknowledged_bytes > 0 => {
                    self.acknowledge();
                    continue;
                }
            };
            match message {
                Ok(Some(message)) => {
                    if !self.deliver(message).await {
                        return;
                    }
                }
                Ok(None) => {
                    self.listening.sessions.lock().finish(&self.listening.node, self.connection);
                    // Waited for: it tells the other side that nothing was lost.
                    let _ = self.receipts.send(Told { received: self.received }).await;
                    return;
                }
                Err(_) => break,
            }
        }
        drop(self.receipts);
        wait_for_return(self.listening, self.connection).await;
    }

    /// Gives a message to the loop. False when another connection has taken over.
    async fn deliver(&mut self, message: NodeToNode) -> bool {
        let listening = &self.listening;
        let bytes = message.encoded_len();
        listening.shared.inbox.room().await;
        // Counted and put without a pause between: a takeover is told a number that is true.
        let Some(received) = listening.sessions.lock().receive(&listening.node, self.connection) else {
            return false;
        };
        listening.shared.inbox.put(Incoming::FromNode { node: listening.node, message: Box::new(message) }, bytes);
        self.received = received;
        self.unacknowledged_bytes += bytes.max(1);
        if self.unacknowledged_bytes >= ACKNOWLEDGE_BYTES {
            self.acknowledge();
        }
        true
    }

    fn acknowledge(&mut self) {
        // A full channel has an acknowledgement on its way; this one follows at the next turn.
        if self.receipts.try_send(Told { received: self.received }).is_ok() {
            self.unacknowledged_bytes = 0;
        }
    }
}

/// The connection broke: the node comes back in time, or the loop is told that messages may be lost.
async fn wait_for_return(listening: Listening, connection: u64) {
    if !listening.sessions.lock().interrupt(&listening.node, connection) {
        return;
    }
    sleep(listening.shared.limits.lapse).await;
    if listening.sessions.lock().lapse(&listening.node, connection) {
        listening.lapsed();
    }
}

fn number(metadata: &MetadataMap, key: &str) -> Result<u64, Status> {
    let text = metadata.get(key).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Status::invalid_argument(format!("the metadata {key} must be a number")))
}

/// Acknowledgements, as the stream that answers `Tell`.
#[derive(Debug)]
pub(crate) struct Receipts {
    stream: mpsc::Receiver<Told>,
}

impl Stream for Receipts {
    type Item = Result<Told, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_recv(context).map(|told| told.map(Ok))
    }
}
