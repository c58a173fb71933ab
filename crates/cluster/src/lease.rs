//! The thread that renews this node's lease and does nothing else: no disk, no large message, no lock that others hold for long. So neither
//! a machine whose processors are all busy nor a disk that stalls the daemon's loop looks like a node that is gone.
//!
//! When the lease is over, for whatever reason, what runs on the node is ended from here, at once and again and again, whatever the loop is
//! doing; then the loop is told (NODE-2 of `trygon-node-core`).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Status, Streaming};
use trygon_ids::NodeId;
use trygon_proto::v1::{LeaseAsk, LeaseGrant};
use trygon_rpc::{Expected, Purpose};

use crate::connection::{Connection, dial, secure};
use crate::kinds::start_lease_thread;
use crate::lease_state::{EndAll, now_ms};
use crate::message::Incoming;
use crate::outflow::{Keeping, Outflow};
use crate::shared::Shared;

const HOLD: &str = "/trygon.v1.Leases/Hold";
/// The control service has no node's id.
const NOBODY: NodeId = NodeId::new([0; NodeId::LEN]);
/// How often the lease is renewed.
const EVERY: Duration = Duration::from_millis(500);
/// How long an answer, or a connection, may take before another connection is made; doubled with each failure in a row, up to the last.
const FIRST_PATIENCE: Duration = Duration::from_millis(600);
const LAST_PATIENCE: Duration = Duration::from_millis(2_400);
/// Between two connections that failed at once.
const PAUSE: Duration = Duration::from_millis(100);
/// A lease that has only this left was not renewed for long.
const SHORT_MS: u64 = 1_200;
/// How often what runs is ended again while the loop has not heard.
const END_EVERY: Duration = Duration::from_millis(100);
/// An answer of the head is small.
const ANSWER_BYTES: usize = 4 << 10;
/// Lets the thread go first where many wait for a processor.
const NICE: i32 = -10;

/// Starts the thread. It ends at `LeaseState::stop`.
pub(crate) fn start(shared: Arc<Shared>, end_all: EndAll) -> std::io::Result<JoinHandle<()>> {
    start_lease_thread(async move {
        // Without the right to it, it takes its turn as others do.
        let _ = rustix::process::setpriority_process(None, NICE);
        let stopped = shared.lease.stopped.notified();
        tokio::select! {
            () = stopped => {}
            () = renew_for_ever(&shared) => {}
            () = watch(&shared, &end_all) => {}
        }
    })
}

/// Looks at the lease when it is due; at its end, ends what runs until it is stopped.
async fn watch(shared: &Shared, end_all: &EndAll) {
    let state = &shared.lease;
    let mut reported_ms = 0;
    let reason = loop {
        let changed = state.changed.notified();
        let now_ms = now_ms();
        let (over, deadline_ms) = {
            let mut lease = state.lease.lock();
            (lease.look(now_ms).map(str::to_owned), lease.deadline_ms())
        };
        if let Some(reason) = over {
            break reason;
        }
        match deadline_ms {
            None => changed.await,
            Some(at_ms) => {
                let left_ms = at_ms.saturating_sub(now_ms);
                if left_ms <= SHORT_MS && reported_ms != at_ms {
                    reported_ms = at_ms;
                    shared.inbox.put(Incoming::LeaseUnanswered, 0);
                }
                let wait_ms = if left_ms <= SHORT_MS { left_ms } else { left_ms - SHORT_MS };
                // A grant moves the end away and needs no notice.
                let _ = timeout(Duration::from_millis(wait_ms.max(1)), changed).await;
            }
        }
    };
    end_all();
    shared.inbox.put(Incoming::LeaseLost { reason }, 0);
    loop {
        sleep(END_EVERY).await;
        end_all();
    }
}

/// Renews the lease over as many connections as it takes.
async fn renew_for_ever(shared: &Shared) {
    let mut patience = FIRST_PATIENCE;
    loop {
        let renewed = renew(shared, &mut patience).await;
        match renewed {
            Err(status) if status.code() == Code::FailedPrecondition => {
                shared.lease.lease.lock().refused(status.message());
                shared.lease.changed.notify_one();
                return std::future::pending().await;
            }
            _ => patience = (patience * 2).min(LAST_PATIENCE),
        }
        sleep(PAUSE).await;
    }
}

/// Renews it over one connection, until that is of no more use.
async fn renew(shared: &Shared, patience: &mut Duration) -> Result<(), Status> {
    let Connection { requests, mut driver, tasks: _tasks } = reach(shared, patience).await?;
    let outflow = Outflow::new(Keeping::UntilTaken);
    outflow.open();
    let talking = async {
        let request = Request::new(outflow.stream());
        let opening = requests.stream::<LeaseGrant>(HOLD, request, ANSWER_BYTES);
        let mut grants = timeout(*patience, opening).await.map_err(|_| no_answer())??;
        for number in 1_u64.. {
            let asked_ms = now_ms();
            let asked = LeaseAsk { number };
            outflow.push(Bytes::from(asked.encode_to_vec()));
            let grant = answer(&mut grants, number, *patience).await?;
            shared.lease.lease.lock().granted(asked_ms, now_ms(), u64::from(grant.lease_ms));
            *patience = FIRST_PATIENCE;
            sleep(EVERY).await;
        }
        Ok(())
    };
    tokio::select! {
        biased;
        talked = talking => talked,
        _ = &mut driver => Err(Status::unavailable("the connection broke")),
    }
}

/// Connects with whoever renews leases. When the head's own machine says that nobody does, the lease goes on (NODE-3).
async fn reach(shared: &Shared, patience: &mut Duration) -> Result<Connection, Status> {
    let address = &shared.head_address;
    let unreachable = |error: std::io::Error| Status::unavailable(format!("cannot connect to {address}: {error}"));
    let resolving = timeout(*patience, lookup_host(address)).await.map_err(|_| no_answer())?;
    let places: Vec<SocketAddr> = resolving.map_err(unreachable)?.collect();
    let preamble = shared.preamble(Purpose::Lease, &NOBODY);
    let asked_ms = now_ms();
    let tcp = match dial(places.as_slice(), &preamble, *patience).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && shared.lease.is_head(&places) => {
            if shared.lease.lease.lock().found_nobody(asked_ms, now_ms()) {
                shared.inbox.put(Incoming::HeadDown, 0);
            }
            *patience = FIRST_PATIENCE;
            return Err(unreachable(error));
        }
        dialed => dialed.map_err(unreachable)?,
    };
    secure(shared, address, tcp, Expected::Control, *patience).await.map_err(Status::unavailable)
}

async fn answer(grants: &mut Streaming<LeaseGrant>, number: u64, patience: Duration) -> Result<LeaseGrant, Status> {
    let answering = async {
        loop {
            match grants.message().await? {
                Some(grant) if grant.number == number => return Ok(grant),
                Some(_) => {}
                None => return Err(Status::unavailable("the head ended the stream")),
            }
        }
    };
    timeout(patience, answering).await.map_err(|_| no_answer())?
}

fn no_answer() -> Status {
    Status::deadline_exceeded("the head does not answer")
}
