//! Becoming known to the head, and staying so.

use crate::about::{VERSION, hostname};
use crate::cluster::starter::START_LIMIT;
use crate::cluster::state::Cluster;
use crate::head_place::HeadPlace;
use crate::process::{Part, Process};
use crate::service::Service;
use trygon_cluster::Outgoing;
use trygon_node_core::Event;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{ActorPlaced, HeldBundle, NodeToHead, RegisterNode, Registered, StartJob};
use trygon_wire::Kind;
use trygon_wire::control::NodeFailed;

impl Service {
    /// A connection to the head waits for who this is.
    pub(crate) fn on_head_back(&mut self, connection: u64) {
        let message = self.registration();
        if let Some(cluster) = &mut self.cluster {
            cluster.is_registered = false;
            cluster.network.begin_lease();
            let message = Box::new(NodeToHead { body: Some(Body::Register(message)), ..NodeToHead::default() });
            cluster.network.send(Outgoing::Register { connection, message });
        }
    }

    /// The head cannot be reached: it is tried for ever, and what runs goes on.
    pub(crate) fn on_head_lost(&mut self, reason: &str) {
        if let Some(starter) = self.session.as_mut().and_then(|session| session.starter.as_mut()) {
            reason.clone_into(&mut starter.trouble);
        }
        let was_registered = self.cluster.as_mut().is_some_and(|cluster| std::mem::take(&mut cluster.is_registered));
        let now_ms = self.now_ms();
        if let Some(cluster) = self.cluster.as_mut().filter(|cluster| was_registered && cluster.head_patience_ms > 0) {
            cluster.gives_up_ms = Some(now_ms + cluster.head_patience_ms);
        }
        if was_registered {
            self.log(&format!("the head cannot be reached: {reason}. It is tried again until it answers"));
        }
    }

    /// The head knows this node.
    pub(crate) fn on_registered(&mut self, message: &Registered) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        cluster.is_registered = true;
        cluster.gives_up_ms = None;
        let (number, is_first) = (message.node_number, cluster.number == 0);
        cluster.number = number;
        if let (Ok(head), None) = (message.head_address.parse(), &cluster.control) {
            cluster.network.hold_lease(head, cluster.holds_ms());
        }
        self.log(&format!("registered with the head as node number {number}"));
        self.node_step(Event::Numbered { number });
        if is_first {
            // Connections and segments have the node's number in theirs.
            self.next_connection = (u64::from(number) << 40) + 1;
            if let Err(error) = self.begin_transfers(number) {
                self.log(&format!("objects of other nodes cannot be fetched: {error}"));
            }
            self.node_step(Event::Start);
            self.answer_starter();
        }
        self.ask_again();
    }

    /// What was on its way when the head went is asked again.
    fn ask_again(&self) {
        if let (HeadPlace::Remote(questions), Some(cluster)) = (&self.head.place, &self.cluster) {
            for message in questions.open() {
                cluster.network.send(Outgoing::ToHead(Box::new(message)));
            }
        }
    }

    fn answer_starter(&mut self) {
        let description = self.description();
        let Some(session) = &mut self.session else {
            return;
        };
        if let Err(error) = crate::session::folder::announce(&session.folder) {
            let message = format!("{}: {error}", session.folder.display());
            return self.refuse_starter(message);
        }
        if let Some(mut starter) = session.starter.take() {
            starter.connection.send(Kind::NodeStarted, &description, Vec::new());
            starter.connection.flush();
        }
    }

    /// The node could not begin.
    pub(crate) fn refuse_starter(&mut self, message: String) {
        self.log(&message);
        if let Some(mut starter) = self.session.as_mut().and_then(|session| session.starter.take()) {
            starter.connection.send(Kind::NodeFailed, &NodeFailed { message }, Vec::new());
            starter.connection.flush();
            self.stop();
        }
    }

    pub(crate) fn on_starter_deadline(&mut self) {
        let now_ms = self.now_ms();
        let starter = self.session.as_ref().and_then(|session| session.starter.as_ref());
        if let Some(starter) = starter.filter(|starter| starter.until_ms <= now_ms) {
            let message = format!("the head did not take the node up within {START_LIMIT:?}: {}", starter.trouble);
            self.refuse_starter(message);
        }
    }

    /// NODE-3: no head runs, so nobody gives this node up.
    pub(crate) fn on_head_down(&self) {
        let holds_s = self.cluster.as_ref().map_or(0, Cluster::holds_ms) / 1_000;
        self.log(&format!("no head runs at its address: what runs here goes on for {holds_s} s at most"));
    }

    /// The head did not come back: what runs here is of no use to anybody.
    pub(crate) fn on_head_given_up(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.gives_up_ms.is_some_and(|at| at <= now_ms))
        else {
            return;
        };
        cluster.gives_up_ms = None;
        let waited_s = cluster.head_patience_ms / 1_000;
        self.log(&format!(
            "the head has not come back for {waited_s} s, and the node ends; --head-reconnect-timeout says how long it waits"
        ));
        self.stop();
    }

    /// What this node is, what it has, and what lives on it.
    pub(crate) fn registration(&self) -> RegisterNode {
        // Those for which a worker was found and `StartActor` has not come too: one of these messages may be lost.
        let placed = self.placed.iter().map(|(actor, placed)| (actor, placed.incarnation, placed.worker));
        let here = self.actors_here.iter().map(|(actor, life)| (actor, life.incarnation, life.worker));
        let actors = here.chain(placed).map(|(actor, incarnation, worker)| ActorPlaced {
            actor_id: actor.as_bytes().to_vec(),
            incarnation,
            worker_id: worker.as_bytes().to_vec(),
            pid: self.pid_of(worker),
        });
        let starting = self.actors_here.iter().filter(|(_, life)| !life.is_running).map(|(actor, _)| actor);
        let jobs = self.jobs.iter().filter(|(_, job)| job.driver.is_some() && !job.is_ending);
        let jobs = jobs.map(|(id, job)| StartJob { job_id: id.as_bytes().to_vec(), ..job.start.clone() });
        RegisterNode {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            address: self.session.as_ref().map(|session| session.own_address.clone()).unwrap_or_default(),
            hostname: hostname(),
            package_version: VERSION.to_owned(),
            resources: crate::translate::amounts(self.node.total()),
            labels: self.node.labels().iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            known_number: self.cluster.as_ref().map_or(0, |cluster| cluster.number),
            actors: actors.collect(),
            jobs: jobs.collect(),
            daemon_pid: std::process::id(),
            bundles: self.held_bundles(),
            processes: self.processes.values().filter(|process| process.part != Part::Tool).map(id_bytes).collect(),
            ended: if let HeadPlace::Remote(questions) = &self.head.place { questions.ended() } else { Vec::new() },
            first_id: self.first_id.as_bytes().to_vec(),
            name: self.session.as_ref().map(|session| session.name.clone()).unwrap_or_default(),
            holds_ms: self.cluster.as_ref().map_or(0, Cluster::holds_ms),
            head_address: String::new(),
            starting: starting.chain(self.placed.keys()).map(|actor| actor.as_bytes().to_vec()).collect(),
        }
    }

    fn held_bundles(&self) -> Vec<HeldBundle> {
        let held = self.node.bundle_views().into_iter();
        held.map(|view| HeldBundle {
            group_id: view.group.as_bytes().to_vec(),
            index: view.index,
            attempt: view.attempt,
            is_committed: view.is_committed,
        })
        .collect()
    }
}

fn id_bytes(process: &Process) -> Vec<u8> {
    process.id.as_bytes().to_vec()
}
