//! One frame from a driver or worker: decoded, and given to whom it concerns.

use crate::service::Service;
use crate::translate::{resource_set, task_event};
use trygon_node_core::{Event, LeaseRequest, Refusal};
use trygon_store::server::StoreServer;
use trygon_wire::control;
use trygon_wire::{FrameError, Header, Kind, decode};

impl Service {
    /// Handles every whole frame that was received. Who sends what is no frame is cut off.
    pub(crate) fn read_frames(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let mut reader = std::mem::take(&mut process.connection.reader);
        let outcome = loop {
            match reader.next_frame() {
                Ok(Some((header, body))) => {
                    if let Err(error) = self.on_frame(number, header, body) {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Some(process) = self.processes.get_mut(&number) {
            process.connection.reader = reader;
            if outcome.is_err() {
                self.hung_up.push(number);
            }
        }
        if let Err(error) = outcome {
            self.say(format!("a process was cut off: it sent a {error}"));
        }
    }

    fn on_frame(&mut self, from: u64, header: Header, body: &[u8]) -> Result<(), FrameError> {
        if self.session.is_some() && !self.may_say(from, header.kind)? {
            return Ok(());
        }
        let worker = self.node.worker_id(from);
        match header.kind {
            Kind::WorkerReady => {
                let control::WorkerReady { pid } = decode(body)?;
                self.on_worker_pid(from, pid);
                self.note_worker_started(worker);
                self.node_step(Event::WorkerReady { worker });
            }
            Kind::WorkerExiting => {
                let announced: control::WorkerExiting = decode(body)?;
                if announced.kind == "environment" {
                    let environment = self.node.environment_of(worker);
                    self.fail_environment(environment, announced.message.clone());
                }
                if let Some(process) = self.processes.get_mut(&from) {
                    process.announced = Some(announced);
                }
                self.node_step(Event::WorkerExiting { worker });
            }
            Kind::ConnectPeer => self.on_connect_peer(from, decode(body)?),
            Kind::CancelForced => {
                let control::CancelForced { worker_id } = decode(body)?;
                self.on_cancel_forced(from, &worker_id);
            }
            Kind::PeerLost => self.on_peer_lost(from, &decode(body)?),
            Kind::StateQuery => self.on_state_query(from, decode(body)?),
            Kind::Explained => self.on_explained(from, decode(body)?),
            Kind::TaskEvents => self.on_task_events(decode(body)?),
            Kind::Shutdown if self.is_driver(from) => self.on_driver_left(from, true),
            Kind::Shutdown if self.is_tool(from) => self.stop(),
            Kind::CreateActor
            | Kind::WatchActor
            | Kind::KillActor
            | Kind::ActorStarted
            | Kind::GetNamedActor
            | Kind::FunctionPut
            | Kind::FunctionGet
            | Kind::KeyValueRequest
            | Kind::CreatePlacementGroup
            | Kind::RemovePlacementGroup
            | Kind::WatchPlacementGroup => self.on_head_frame(from, header.kind, body)?,
            Kind::LeaseRequest
            | Kind::LeaseReturn
            | Kind::LeaseCancel
            | Kind::Blocked
            | Kind::Unblocked
            | Kind::WorkerOwns => self.on_lease_frame(from, header.kind, body)?,
            kind if StoreServer::handles(kind) => self.on_store_frame(from, kind, body)?,
            _ => return Err(FrameError::Malformed("kind that is not for a daemon")),
        }
        Ok(())
    }

    /// What concerns leases, and the workers that hold them.
    fn on_lease_frame(&mut self, from: u64, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        let worker = self.node.worker_id(from);
        match kind {
            Kind::LeaseRequest => {
                let request = decode(body)?;
                if !self.is_lease_of_absent_group(from, &request) {
                    self.on_lease_request(from, request);
                }
            }
            Kind::LeaseReturn => {
                let control::LeaseReturn { lease_id, worker_exiting } = decode(body)?;
                self.node_step(Event::LeaseReturned { owner: worker, lease: lease_id, worker_exiting });
            }
            Kind::LeaseCancel => {
                let control::LeaseCancel { request_id } = decode(body)?;
                self.node_step(Event::LeaseCancelled { owner: worker, request_id });
            }
            Kind::Blocked => {
                let control::Blocked { depth } = decode(body)?;
                self.node_step(Event::Blocked { worker, depth });
            }
            Kind::WorkerOwns => {
                let control::WorkerOwns { owns } = decode(body)?;
                self.node_step(Event::WorkerOwns { worker, owns });
            }
            _ => self.node_step(Event::Unblocked { worker }),
        }
        Ok(())
    }

    pub(crate) fn on_lease_request(&mut self, from: u64, message: control::LeaseRequest) {
        let control::LeaseRequest { request_id, mut resources, count, depth, name, environment } = message;
        let owner = self.node.worker_id(from);
        self.name_near_node(&mut resources);
        let resources = resource_set(&resources);
        let job = self.job_of(from);
        let environment = self.environment_number(job, &environment);
        if let Err(message) = self.want_environment(environment) {
            return self.refuse_lease(from, request_id, Refusal::NoEnvironment, message);
        }
        let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment };
        self.node_step(Event::LeaseRequested(request));
    }

    fn on_task_events(&mut self, message: control::TaskEvents) {
        self.task_events.note_dropped(message.dropped);
        for event in message.events {
            self.task_events.push(task_event(event));
        }
    }
}
