//! What the daemon says.

use crate::answer::Answer;
use crate::engine::{Engine, LeaseInfo, MAX_LOG_LINES};
use crate::log_line::LogLine;
use crate::remote_peers::StillWaits;
use crate::work::Work;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use trygon_ids::{ActorId, OwnerIncarnation, SegmentId, WorkerId};
use trygon_wire::{FrameError, Header, Kind, control, decode, peer};
use trygon_worker_core::{ActorState, CONNECTION_LOST, Interrupted, Lost, SystemError};

/// Number of the connection of a process with itself; the daemon's count up from 1.
const OWN_CONNECTION: u64 = u64::MAX;

fn worker_id(bytes: &[u8]) -> Result<WorkerId, FrameError> {
    WorkerId::from_bytes(bytes).map_err(|_| FrameError::Malformed("worker id"))
}

fn actor_id(bytes: &[u8]) -> Result<ActorId, FrameError> {
    ActorId::from_bytes(bytes).map_err(|_| FrameError::Malformed("actor id"))
}

fn devices(devices: Vec<control::Devices>) -> Vec<(String, Vec<u32>)> {
    devices.into_iter().map(|held| (held.resource, held.indices)).collect()
}

impl Engine {
    /// Reads what the daemon sent and handles every whole frame.
    pub(crate) fn on_control_readable(&mut self) {
        self.control.receive();
        self.handle_control_frames();
    }

    /// Handles every whole frame that has come, unless one has to wait.
    pub(crate) fn handle_control_frames(&mut self) {
        loop {
            match self.take_death() {
                Ok(None) => {}
                Ok(Some((worker, message))) => self.bury(worker, &message),
                Err(StillWaits) => break,
            }
            let mut reader = std::mem::take(&mut self.control.reader);
            let handled = match reader.next_frame() {
                Ok(Some((header, body))) => self.on_control_frame(header, body),
                Ok(None) => {
                    self.control.reader = reader;
                    break;
                }
                Err(error) => Err(error),
            };
            self.control.reader = reader;
            self.activity += 1;
            if handled.is_err() {
                self.control.closed = true;
                break;
            }
        }
        if self.control.closed && self.exit.is_none() {
            self.exit = Some("the node's daemon is gone".to_owned());
        }
    }

    fn descriptor(&mut self) -> Result<OwnedFd, FrameError> {
        self.control.descriptors.pop_front().ok_or(FrameError::Malformed("descriptor missing"))
    }

    fn on_control_frame(&mut self, header: Header, body: &[u8]) -> Result<(), FrameError> {
        match header.kind {
            Kind::LeaseGranted => self.on_lease_granted(decode(body)?),
            Kind::LeaseRevoke => self.on_lease_revoke(&decode(body)?),
            Kind::PlacementGroupUpdate => self.on_group_update(&decode(body)?),
            Kind::PeerConnected => self.on_peer_connected(&decode(body)?),
            Kind::PeerDied => self.on_peer_died(&decode(body)?),
            Kind::ActorUpdate => self.on_actor_update(&decode(body)?),
            Kind::StartActor => {
                let message: control::StartActor = decode(body)?;
                self.is_actor = true;
                if !message.class_body.is_empty() {
                    self.on_function_body(&message.class_hash, &message.class_body);
                }
                self.work.push_back(Work::StartActor(Box::new(message)));
                Ok(())
            }
            Kind::FunctionReply => {
                let message: control::FunctionReply = decode(body)?;
                self.on_function_body(&message.hash, &message.body);
                Ok(())
            }
            Kind::NodeLost => self.on_node_lost(&decode(body)?),
            Kind::NodeDrains => {
                self.on_node_drains(&decode(body)?);
                Ok(())
            }
            Kind::ExitWorker => {
                let message: control::ExitWorker = decode(body)?;
                if message.drain {
                    self.work.push_back(Work::Exit(message.reason));
                } else {
                    self.exit = Some(message.reason);
                }
                Ok(())
            }
            Kind::Explain => {
                self.on_explain(&decode(body)?);
                Ok(())
            }
            Kind::CertificateRenewed => self.on_certificate(decode(body)?),
            Kind::LogLines => {
                self.on_log_lines(decode(body)?);
                Ok(())
            }
            kind => self.on_store_frame(kind, body),
        }
    }

    /// What has to do with shared memory.
    fn on_store_frame(&mut self, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        match kind {
            Kind::SegmentGranted => {
                let message: control::SegmentGranted = decode(body)?;
                let descriptor = self.descriptor()?;
                let added = self.store.add_segment(message.segment_id, message.size_bytes, descriptor);
                let answer = match added {
                    Ok(()) => Answer::SegmentGranted,
                    Err(error) => Answer::Failed(error.to_string()),
                };
                self.answers.insert(message.request_id, answer);
                Ok(())
            }
            Kind::SegmentRefused => {
                let message: control::SegmentRefused = decode(body)?;
                self.answers.insert(message.request_id, Answer::SegmentRefused(message));
                Ok(())
            }
            Kind::WatchSegment => {
                let message: control::WatchSegment = decode(body)?;
                self.on_watch_segment(SegmentId(message.segment_id));
                self.control.flush();
                Ok(())
            }
            Kind::SegmentMapped => self.on_segment_mapped(&decode(body)?),
            Kind::ObjectPulled => self.on_object_pulled(&decode(body)?),
            Kind::Reclaim => {
                let message: control::Reclaim = decode(body)?;
                self.store.free(message.segment_id, message.offset_bytes, message.size_bytes);
                if self.clock.now_ns() < self.segments_wanted_until_ns {
                    self.return_empty_segments();
                }
                Ok(())
            }
            Kind::ReturnSegments => {
                self.on_shortage(&decode(body)?);
                Ok(())
            }
            kind => self.on_reply(kind, body),
        }
    }

    fn on_certificate(&mut self, message: control::CertificateRenewed) -> Result<(), FrameError> {
        self.credentials.renew(message.certificate.unwrap_or_default());
        Ok(())
    }

    /// Somebody waits for memory.
    fn on_shortage(&mut self, message: &control::ReturnSegments) {
        self.segments_wanted_until_ns = self.clock.now_ns() + u64::from(message.for_ms) * 1_000_000;
        self.release_unseen();
        self.return_empty_segments();
        self.control.flush();
    }

    fn on_reply(&mut self, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        let (request_id, answer) = match kind {
            Kind::CreateActorReply => {
                let message: control::CreateActorReply = decode(body)?;
                (message.request_id, Answer::ActorCreated(message))
            }
            Kind::NamedActor => {
                let message: control::NamedActor = decode(body)?;
                (message.request_id, Answer::NamedActor(message))
            }
            Kind::PlacementGroupReply => {
                let message: control::PlacementGroupReply = decode(body)?;
                (message.request_id, Answer::GroupCreated(message))
            }
            Kind::StateReply => {
                let message: control::StateReply = decode(body)?;
                (message.request_id, Answer::State(message))
            }
            Kind::KeyValueReply => {
                let message: control::KeyValueReply = decode(body)?;
                (message.request_id, Answer::KeyValue(message))
            }
            Kind::NodeStarted => (0, Answer::NodeStarted(decode(body)?)),
            Kind::NodeFailed => {
                let failed: control::NodeFailed = decode(body)?;
                if !self.core.identity().job.is_nil() {
                    // It ran, and cannot go on: whoever waits is told why.
                    self.exit = Some(failed.message);
                    return Ok(());
                }
                (0, Answer::NodeFailed(failed))
            }
            Kind::WorkerSetup => {
                let descriptor = self.descriptor()?;
                (0, Answer::WorkerSetup(decode(body)?, descriptor))
            }
            Kind::LeaseRefused => {
                self.on_lease_refused(&decode(body)?);
                return Ok(());
            }
            Kind::LeaseWaits => {
                self.on_lease_waits(decode(body)?);
                return Ok(());
            }
            other => return Err(FrameError::UnknownKind(other as u16)),
        };
        self.answers.insert(request_id, answer);
        Ok(())
    }

    fn on_lease_revoke(&mut self, message: &control::LeaseRevoke) -> Result<(), FrameError> {
        self.core.on_lease_revoked(message.lease_id, &mut self.links);
        Ok(())
    }

    /// A request will never be met: the tasks that wait for it fail.
    fn on_lease_refused(&mut self, message: &control::LeaseRefused) {
        let kind = match message.kind.as_str() {
            "placement_group_removed" => "task_placement_group_removed",
            "unschedulable" => "task_unschedulable",
            "runtime_env_failed" => "runtime_env_failed",
            _ => "system",
        };
        let error = SystemError::new(kind).with("message", &message.message).encode();
        self.core.fail_queued(message.request_id, &error, &mut self.links);
    }

    /// A request waits for something unusual; if that may last for ever, the tasks that wait for it fail.
    fn on_lease_waits(&mut self, message: control::LeaseWaits) {
        if message.cap_reached {
            let error = SystemError::new("blocked_cap").with("message", &message.message).encode();
            return self.core.fail_queued(message.request_id, &error, &mut self.links);
        }
        self.on_log_lines(control::LogLines {
            name: "trygon".to_owned(),
            is_stderr: true,
            lines: vec![message.message],
            ..Default::default()
        });
    }

    fn on_lease_granted(&mut self, message: control::LeaseGranted) -> Result<(), FrameError> {
        let worker = worker_id(&message.worker_id)?;
        let Some(index) = self.peer_of.get(&worker).copied() else {
            // It died between the grant and its arrival.
            self.core.on_grant_unusable(message.request_id, message.lease_id);
            return Ok(());
        };
        let resources = self.core.requested_resources(message.request_id).into_iter().collect();
        let bind = peer::LeaseBind { lease_id: message.lease_id, devices: message.devices, resources };
        self.links.send(index, Kind::LeaseBind, &bind);
        let now_ns = self.clock.now_ns();
        self.core.on_lease_granted(message.request_id, message.lease_id, index, now_ns, &mut self.links);
        Ok(())
    }

    pub(crate) fn on_lease_bind(&mut self, message: peer::LeaseBind) {
        let info = LeaseInfo { resources: message.resources.into_iter().collect(), devices: devices(message.devices) };
        self.leases.insert(message.lease_id as u32, info);
    }

    fn on_peer_connected(&mut self, message: &control::PeerConnected) -> Result<(), FrameError> {
        let worker = worker_id(&message.worker_id)?;
        if message.already {
            return Ok(());
        }
        let socket = self.descriptor()?;
        let index = self.add_peer(worker, message, socket)?;
        self.peer_of.insert(worker, index);
        if let Ok(incarnation) = OwnerIncarnation::from_bytes(&message.incarnation) {
            self.incarnations.insert(worker, incarnation);
        }
        if let Some(frames) = self.connecting.remove(&worker) {
            self.links.peer(index).out.bytes_mut().extend_from_slice(&frames);
            self.links.mark_dirty(index);
        }
        Ok(())
    }

    fn on_peer_died(&mut self, message: &control::PeerDied) -> Result<(), FrameError> {
        let worker = worker_id(&message.worker_id)?;
        if let Some(index) = self.peer_of.get(&worker).copied() {
            // What it managed to write comes before what only its recorder kept.
            while self.on_peer_readable(index) {}
            if self.postpones_death(index, message) {
                return Ok(());
            }
        }
        self.bury(worker, message);
        Ok(())
    }

    /// Lives on without a process that is dead.
    fn bury(&mut self, worker: WorkerId, message: &control::PeerDied) {
        let death = message.death.clone().unwrap_or_default();
        let index = self.peer_of.remove(&worker);
        // Nothing can have been begun of what never left.
        let unrecorded = message.unrecorded && index.is_none_or(|index| self.links.peer(index).was_connected());
        // What it had done, and wrote behind what made no sense, is in no record: it may all have run.
        let unrecorded = unrecorded || index.is_some_and(|index| self.links.peer(index).is_garbled);
        if let Some(index) = index {
            for frame in &message.frames {
                self.on_late_frame(index, frame);
            }
            self.work.retain(|work| !matches!(work, Work::Call(call) if call.peer == index));
            self.forget_streams_of(index);
        }
        self.connecting.remove(&worker);
        if death.kind != CONNECTION_LOST
            && let Some(oldest) = self.dead.insert(worker, death.message.clone())
        {
            self.incarnations.remove(&oldest);
        }
        let started = message.started.then_some(Interrupted {
            slot: message.slot,
            generation: message.generation,
            attempt: message.attempt,
        });
        let lost = Lost {
            worker,
            peer: index,
            started,
            unrecorded,
            cause_kind: &death.kind,
            message: &death.message,
            pid: death.pid,
            signal: death.signal,
            exit_code: death.exit_code,
        };
        let now_ns = self.clock.now_ns();
        self.core.on_peer_lost(&lost, now_ns, &mut self.links);
        if let Some(index) = index {
            self.links.close(index);
        }
    }

    /// Connects to a process only to learn of its death.
    pub(crate) fn watch_process(&mut self, worker: WorkerId) {
        if let Some(cause) = self.dead.get(&worker).cloned() {
            self.core.on_process_died(worker, &cause, &mut self.links);
        } else if let std::collections::hash_map::Entry::Vacant(entry) = self.connecting.entry(worker) {
            entry.insert(Vec::new());
            self.control.send(Kind::ConnectPeer, &control::ConnectPeer { worker_id: worker.as_bytes().to_vec() });
        }
    }

    fn on_actor_update(&mut self, message: &control::ActorUpdate) -> Result<(), FrameError> {
        let actor = actor_id(&message.actor_id)?;
        let index = self.core.actor(actor);
        let death = message.death.clone().unwrap_or_default();
        let error = |kind| {
            SystemError::new(kind)
                .with("actor_id", actor.hex())
                .with("class_name", &message.class_name)
                .with("name", &message.name)
                .with("cause_kind", &death.kind)
                .with("message", &death.message)
                .with("pid", death.pid.to_string())
                .with("signal", death.signal.to_string())
                .with("exit_code", death.exit_code.to_string())
                .with("error", &message.error)
                .encode()
        };
        let state = match message.state.as_str() {
            "alive" => {
                let worker = worker_id(&message.worker_id)?;
                if worker == self.core.identity().worker {
                    self.connect_to_self()?;
                }
                match self.peer_of.get(&worker) {
                    Some(peer) => ActorState::Alive { peer: *peer, incarnation: message.incarnation },
                    // It died since: the next update says what becomes of it.
                    None => ActorState::Pending,
                }
            }
            "restarting" => ActorState::Restarting { error: error("actor_unavailable") },
            "dead" if !message.error.is_empty() => ActorState::Dead { error: error("actor_init_failed") },
            "dead" if death.kind == "out_of_disk" => ActorState::Dead { error: error("out_of_disk") },
            "dead" if death.kind == "runtime_env_failed" => ActorState::Dead { error: error("runtime_env_failed") },
            "dead" => ActorState::Dead { error: error("actor_died") },
            _ => ActorState::Pending,
        };
        self.core.on_actor_state(index, state, &mut self.links);
        Ok(())
    }

    /// An actor that calls itself: the daemon connects a process with others only.
    fn connect_to_self(&mut self) -> Result<(), FrameError> {
        let own = self.core.identity().worker;
        if self.peer_of.contains_key(&own) {
            return Ok(());
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let (calls, serves) = pair.map_err(|_| FrameError::Malformed("no descriptors are left for a connection"))?;
        let index = self.links.add(own, OWN_CONNECTION, calls);
        self.links.add(own, OWN_CONNECTION, serves);
        self.peer_of.insert(own, index);
        self.incarnations.insert(own, self.core.identity().incarnation);
        Ok(())
    }

    fn on_segment_mapped(&mut self, message: &control::SegmentMapped) -> Result<(), FrameError> {
        let segment = SegmentId(message.segment_id);
        self.replicas.mapping.remove(&segment);
        if message.watched || message.size_bytes == 0 {
            self.replicas.watched.entry(segment).or_default();
        }
        if message.size_bytes == 0 {
            self.forget_copies_in(segment);
            return Ok(());
        }
        let descriptor = self.descriptor()?;
        // What cannot be mapped, because no address space is left, is found not to be there.
        let _ = self.store.add_mapping(segment.0, message.size_bytes, descriptor);
        Ok(())
    }

    pub(crate) fn on_log_lines(&mut self, message: control::LogLines) {
        self.log_lines += message.lines.len();
        self.logs.push_back(LogLine {
            pid: message.pid,
            name: message.name,
            is_stderr: message.is_stderr,
            lines: message.lines,
            dropped: message.dropped,
        });
        self.logs_arrived.notify_all();
        while self.log_lines > MAX_LOG_LINES {
            let Some(oldest) = self.logs.pop_front() else {
                break;
            };
            self.log_lines -= oldest.lines.len();
            if let Some(next) = self.logs.front_mut() {
                next.dropped += oldest.dropped + oldest.lines.len() as u64;
            }
        }
    }
}
