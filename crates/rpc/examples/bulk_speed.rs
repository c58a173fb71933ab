//! Prints what bytes over TLS cost: `cargo run --profile fast -p trygon-rpc --example bulk_speed [GB] [streams]
//! [congestion control]`.
//!
//! Both ends in one process over loopback, a thread for each end of each stream: the wall speed, and the processor seconds of a GB where it
//! is sent and where it is received.
use rustix::net::sockopt;
use rustix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::NodeId;
use trygon_rpc::{Authority, BulkStream, Expected, Identity, NODE_LIFETIME, accept_tls, connect_tls};

/// As objects are sent: a status and a chunk.
const CHUNK_BYTES: usize = 1 << 20;

type Outcome<Value> = Result<Value, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let gigabytes: f64 = arguments.next().as_deref().unwrap_or("2").parse()?;
    let streams: usize = arguments.next().as_deref().unwrap_or("1").parse()?;
    let congestion = arguments.next();
    let now = SystemTime::now();
    let node = Authority::create(now)?.issue_node(NodeId::new([1; 28]), now, NODE_LIFETIME)?;
    let identity = Identity::new(&node.issue_service(now, NODE_LIFETIME)?)?;
    let chunks = (gigabytes * 1e9 / CHUNK_BYTES as f64 / streams as f64) as usize;
    let started = Instant::now();
    let (mut sent, mut received) = (0.0, 0.0);
    std::thread::scope(|scope| -> Outcome<()> {
        let ends: Vec<_> = (0..streams)
            .map(|_| -> Outcome<_> {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                if let Some(name) = &congestion {
                    sockopt::set_tcp_congestion(&listener, name)?;
                }
                let dialling = TcpStream::connect(listener.local_addr()?)?;
                let (dialled, _) = listener.accept()?;
                let (sender, receiver) = (&identity, &identity);
                Ok((
                    scope.spawn(move || send(dialled, sender, chunks)),
                    scope.spawn(move || receive(dialling, receiver, chunks)),
                ))
            })
            .collect::<Outcome<_>>()?;
        for (sender, receiver) in ends {
            sent += sender.join().map_err(|_| "the sender panicked")??;
            received += receiver.join().map_err(|_| "the receiver panicked")??;
        }
        Ok(())
    })?;
    let moved = (chunks * streams * CHUNK_BYTES) as f64 / 1e9;
    let wall = started.elapsed().as_secs_f64();
    println!(
        "{streams} streams: {:.2} GB/s; processor seconds for a GB: {:.3} to send, {:.3} to receive",
        moved / wall,
        sent / moved,
        received / moved
    );
    Ok(())
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn expected() -> Expected {
    Expected::Node(NodeId::new([1; 28]))
}

fn send(socket: TcpStream, identity: &Identity, chunks: usize) -> Outcome<f64> {
    let mut stream = BulkStream::from_server(accept_tls(socket.into(), identity, expected(), Duration::from_secs(5))?)?;
    let before = processor_seconds();
    let body: Vec<u8> = (0..16 * CHUNK_BYTES).map(|index| (index * 7) as u8).collect();
    for chunk in 0..chunks {
        stream.write_all(&[0])?;
        let start = chunk % 16 * CHUNK_BYTES;
        stream.write_all(body.get(start..start + CHUNK_BYTES).unwrap_or_default())?;
    }
    stream.flush()?;
    stream.read_exact(&mut [0])?;
    Ok(processor_seconds() - before)
}

fn receive(socket: TcpStream, identity: &Identity, chunks: usize) -> Outcome<f64> {
    let mut stream =
        BulkStream::from_client(connect_tls(socket.into(), identity, expected(), Duration::from_secs(5))?)?;
    let mut body = vec![1; 16 * CHUNK_BYTES];
    let before = processor_seconds();
    for chunk in 0..chunks {
        stream.read_exact(&mut [0])?;
        let start = chunk % 16 * CHUNK_BYTES;
        stream.read_exact(body.get_mut(start..start + CHUNK_BYTES).unwrap_or_default())?;
    }
    let seconds = processor_seconds() - before;
    stream.write_all(&[0])?;
    stream.flush()?;
    Ok(seconds)
}
