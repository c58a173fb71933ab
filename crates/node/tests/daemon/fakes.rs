//! What the daemon starts: a zygote that spawns instead of forking, and workers that do as they are told.

use crate::channel::Channel;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;
use trygon_wire::Kind;
use trygon_wire::control::{
    ActorStarted, ForkWorker, StartActor, WorkerExiting, WorkerForked, WorkerReady, ZygoteReady,
};
use trygon_wire::recorder;

const FOREVER: Duration = Duration::from_secs(60);

fn standard_input() -> OwnedFd {
    std::io::stdin().as_fd().try_clone_to_owned().expect("standard input")
}

/// Asks an intermediate process for each worker, so that the worker becomes the daemon's child.
pub(crate) fn zygote() {
    let mut channel = Channel::new(standard_input());
    channel.send(Kind::ZygoteReady, &ZygoteReady { pid: std::process::id() });
    while let Some(frame) = channel.next(FOREVER) {
        let request: ForkWorker = frame.read();
        let mut descriptors = channel.descriptors.drain(..3);
        let (control, output, errors) = (descriptors.next(), descriptors.next(), descriptors.next());
        drop(descriptors);
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("intermediate").stdin(Stdio::from(control.expect("three descriptors")));
        command.stdout(Stdio::piped()).stderr(Stdio::from(errors.expect("three descriptors")));
        let mut child = command.spawn().expect("an intermediate process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        drop(output);
        child.wait().expect("the intermediate process ends");
        let pid = line.trim().parse().expect("a process id");
        channel.send(Kind::WorkerForked, &WorkerForked { number: request.number, pid });
    }
}

pub(crate) fn intermediate() {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program).arg("worker").stdin(Stdio::inherit()).stdout(Stdio::null()).spawn();
    println!("{}", child.expect("a worker").id());
}

/// Becomes ready, then obeys: frames on its peer connection are commands.
pub(crate) fn worker() {
    let mut control = Channel::new(standard_input());
    control.expect(Kind::WorkerSetup);
    let memory = control.descriptors.pop_front().expect("a flight recorder");
    control.send(Kind::WorkerReady, &WorkerReady { pid: std::process::id() });
    eprint!("\x01trygon:name:fake\nworker is ready\n");
    let mut connections = Vec::new();
    while let Some(frame) = control.next(FOREVER) {
        match frame.kind {
            Kind::PeerConnected => {
                let connected: trygon_wire::control::PeerConnected = frame.read();
                let socket = control.descriptors.pop_front().expect("a connection");
                record(&memory, connected.connection);
                connections.push(Channel::new(socket));
                let last = connections.len() - 1;
                connections[last].send(Kind::ZygoteReady, &ZygoteReady { pid: std::process::id() });
            }
            Kind::StartActor => {
                let start: StartActor = frame.read();
                let answer =
                    ActorStarted { actor_id: start.actor_id, incarnation: start.incarnation, error: Vec::new() };
                control.send(Kind::ActorStarted, &answer);
            }
            Kind::ExitWorker => {
                let kind = "idle".to_owned();
                control
                    .send(Kind::WorkerExiting, &WorkerExiting { kind, message: "asked to".to_owned(), exit_code: 0 });
                std::io::stderr().flush().expect("flushed");
                return;
            }
            _ => {}
        }
    }
}

/// As if task 7 of this connection ran, and one reply had not been sent.
fn record(memory: &OwnedFd, connection: u64) {
    let mut head = vec![0; recorder::LOG_OFFSET];
    head[..8].copy_from_slice(&connection.to_le_bytes());
    head[8..12].copy_from_slice(&7u32.to_le_bytes());
    head[recorder::STAGED_LEN_OFFSET..recorder::STAGED_LEN_OFFSET + 8].copy_from_slice(&24u64.to_le_bytes());
    head.extend_from_slice(&connection.to_le_bytes());
    head.extend_from_slice(&5u32.to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    head.extend_from_slice(b"reply\0\0\0");
    rustix::io::pwrite(memory, &head, 0).expect("written");
}
