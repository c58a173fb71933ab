//! The link to one other node, for what this node has to say.
//!
//! It is opened at the first message and closed when it was idle for long. When it breaks it is opened again and goes on where the other
//! node stands (CARRY-1). When that does not succeed in time, all that waits is dropped and the loop is told (CARRY-2: no message is lost
//! without a report).

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Request, Status, Streaming};
use trygon_ids::NodeId;
use trygon_proto::v1::Told;
use trygon_rpc::{Expected, Purpose};

use crate::backoff::Backoff;
use crate::connection::{Connection, connect, ended_reason};
use crate::kinds::start_task;
use crate::outflow::{Keeping, OutOfStep, Outflow};
use crate::shared::Shared;
use crate::tell::{ACKNOWLEDGED, SESSION};

const TELL: &str = "/trygon.v1.Node/Tell";

/// A link from outside: where its messages go in.
#[derive(Debug)]
pub(crate) struct Link {
    outflow: Outflow,
    wanted: Arc<Notify>,
    task: AbortHandle,
}

impl Link {
    pub(crate) fn start(shared: &Arc<Shared>, node: NodeId) -> Self {
        let outflow = Outflow::new(Keeping::UntilAcknowledged);
        let wanted = Arc::new(Notify::new());
        let runner = Runner { shared: shared.clone(), node, outflow: outflow.clone(), wanted: wanted.clone() };
        Self { outflow, wanted, task: start_task(runner.run()) }
    }

    /// Adds a message; says how many bytes wait.
    pub(crate) fn push(&self, message: bytes::Bytes) -> usize {
        let waiting = self.outflow.push(message);
        self.wanted.notify_one();
        waiting
    }

    /// Whether everything has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.outflow.is_empty()
    }

    /// Asks the other side to take what waits, and ends the link then.
    pub(crate) fn close(&self) {
        self.outflow.close();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.outflow.pause();
    }
}

/// Why a connection is of no more use.
enum Trouble {
    /// It broke; another one may go on.
    Broken(String),
    /// The other node cannot go on with the session: what was sent last may be lost.
    Forgotten(String),
}

/// A connection on which the other node said where to go on.
struct Standing {
    connection: Connection,
    told: Streaming<Told>,
}

struct Runner {
    shared: Arc<Shared>,
    node: NodeId,
    outflow: Outflow,
    wanted: Arc<Notify>,
}

impl Runner {
    async fn run(self) {
        loop {
            if self.outflow.is_empty() {
                self.wanted.notified().await;
                continue;
            }
            self.outflow.begin_session();
            let ended = self.session().await;
            self.outflow.pause();
            if let Err(reason) = ended
                && self.outflow.give_up()
            {
                self.shared.report_unreachable(self.node, reason);
            }
        }
    }

    /// Carries messages over as many connections as it takes, until the link was idle. The error says why it is given up.
    async fn session(&self) -> Result<(), String> {
        let session = self.shared.next_session();
        let limits = &self.shared.limits;
        let mut back_off = Backoff::new(limits.back_off, session ^ self.shared.seed());
        let mut broken_since: Option<Instant> = None;
        loop {
            let left = broken_since.map_or(limits.give_up, |since| limits.give_up.saturating_sub(since.elapsed()));
            let trouble = match timeout(left, self.establish(session)).await {
                Ok(Ok(standing)) => {
                    broken_since = None;
                    back_off.reset();
                    match self.carry(standing).await {
                        Ok(()) => return Ok(()),
                        Err(trouble) => trouble,
                    }
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Broken("it does not answer, or its address is unknown".to_owned()),
            };
            self.outflow.pause();
            let reason = match trouble {
                Trouble::Broken(reason) => reason,
                Trouble::Forgotten(reason) => return Err(reason),
            };
            let tried = broken_since.get_or_insert_with(Instant::now).elapsed();
            let wait = back_off.step();
            if tried + wait >= limits.give_up {
                return Err(format!("{reason}; it was tried again for {:.1} s", tried.as_secs_f64()));
            }
            sleep(wait).await;
        }
    }

    /// Connects and learns where the session goes on.
    async fn establish(&self, session: u64) -> Result<Standing, Trouble> {
        let shared = &self.shared;
        let address = shared.known_address(&self.node).await;
        let preamble = shared.preamble(Purpose::Node, &self.node);
        let mut connection =
            connect(shared, &address, &preamble, Expected::Node(self.node)).await.map_err(Trouble::Broken)?;
        let mut request = Request::new(self.outflow.stream());
        for (key, value) in [(SESSION, session), (ACKNOWLEDGED, self.outflow.acknowledged())] {
            request.metadata_mut().insert(key, value.into());
        }
        let begin = async {
            let mut told = connection.requests.stream::<Told>(TELL, request, shared.limits.message_bytes).await?;
            let first = told.message().await?;
            Ok::<_, Status>((told, first))
        };
        let begun = tokio::select! {
            begun = begin => begun.map_err(trouble)?,
            ended = &mut connection.driver => return Err(Trouble::Broken(ended_reason(&ended))),
        };
        let (told, Some(first)) = begun else {
            return Err(Trouble::Broken("it ended the stream at once".to_owned()));
        };
        self.outflow.open_behind(first.received).map_err(out_of_step)?;
        Ok(Standing { connection, told })
    }

    /// Lets messages travel until the connection breaks, or the link was idle and is closed.
    async fn carry(&self, mut standing: Standing) -> Result<(), Trouble> {
        let idle_after = self.shared.limits.idle;
        let mut idle = std::pin::pin!(sleep(idle_after));
        loop {
            tokio::select! {
                biased;
                told = standing.told.message() => match told {
                    Ok(Some(told)) => {
                        self.outflow.acknowledge(told.received).map_err(out_of_step)?;
                        idle.as_mut().reset(Instant::now() + idle_after);
                    }
                    Ok(None) if self.outflow.is_closing() => return Ok(()),
                    Ok(None) => return Err(Trouble::Broken("it ended the stream".to_owned())),
                    Err(status) => return Err(trouble(status)),
                },
                ended = &mut standing.connection.driver => return Err(Trouble::Broken(ended_reason(&ended))),
                () = &mut idle => {
                    if self.outflow.is_empty() {
                        self.outflow.close();
                    }
                    idle.as_mut().reset(Instant::now() + idle_after);
                }
            }
        }
    }
}

fn trouble(status: Status) -> Trouble {
    match status.code() {
        Code::FailedPrecondition => Trouble::Forgotten(status.message().to_owned()),
        _ => Trouble::Broken(format!("{}: {}", status.code(), status.message())),
    }
}

fn out_of_step(_: OutOfStep) -> Trouble {
    Trouble::Forgotten("it counts messages that were never sent to it".to_owned())
}
