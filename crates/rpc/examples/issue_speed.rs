//! Prints what certificates and handshakes cost: `cargo run --release -p trygon-rpc --example issue_speed`.
//!
//! A node makes a certificate for each process it starts, so that must stay far below the time of a fork.
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_rpc::{Authority, Expected, Identity, NODE_LIFETIME, PROCESS_LIFETIME, accept_tls, connect_tls};

const ROUNDS: u32 = 1000;

type Outcome<Value> = Result<Value, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let now = SystemTime::now();
    let node = Authority::create(now)?.issue_node(NodeId::new([1; 28]), now, NODE_LIFETIME)?;
    let job = JobId::new([1, 0, 0, 0]);
    let issue = || node.issue_process(WorkerId::new([1; 28]), job, now, PROCESS_LIFETIME);
    let certificate = issue()?;
    report("certificate of a process", || {
        issue()?;
        Ok(())
    })?;
    report("identity from it", || {
        Identity::new(&certificate)?;
        Ok(())
    })?;
    let identity = Identity::new(&certificate)?;
    let expected = Expected::Worker(WorkerId::new([1; 28]), job);
    report("one side's state of a connection", || {
        identity.connect(expected)?;
        Ok(())
    })?;
    report("handshake over loopback, both sides", || handshake(&identity, expected))
}

/// The middle and the worst but one in a hundred of many rounds.
fn report(what: &str, mut round: impl FnMut() -> Outcome<()>) -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        round()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_micros();
    println!("{what}: {} us, 99 % within {} us", at(50), at(99));
    Ok(())
}

fn handshake(identity: &Identity, expected: Expected) -> Outcome<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let dialling = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (dialled, _) = listener.accept()?;
    let patience = Duration::from_secs(5);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| accept_tls(dialled.into(), identity, expected, patience).map(drop));
        connect_tls(dialling.into(), identity, expected, patience)?;
        other.join().map_err(|_| "the other side panicked")??;
        Ok(())
    })
}
