//! The way to the head, wherever it is: what is said to it, and what it says handled in order.

use crate::cluster::Cluster;
use crate::head_place::HeadPlace;
use crate::service::Service;
use trygon_cluster::Outgoing;
use trygon_control::Out;
use trygon_ids::{JobId, WorkerId};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead};

impl Service {
    /// Tells the head something.
    pub(crate) fn tell_head(&mut self, body: Body) {
        let now_us = self.now_us();
        match &mut self.head.place {
            HeadPlace::Here(head) => {
                let mut out = Out::new();
                head.apply(
                    now_us,
                    self.identity.node_id,
                    NodeToHead { body: Some(body), ..NodeToHead::default() },
                    &mut out,
                );
                self.note_said(out.into_iter().map(|(_, message)| message));
            }
            HeadPlace::Remote(questions) => {
                let message = questions.note(body);
                // What has a number goes in order: behind what the registration makes necessary to say again.
                let may_go = |cluster: &&Cluster| message.number == 0 || cluster.is_registered;
                if let Some(cluster) = self.cluster.as_ref().filter(may_go) {
                    cluster.network.send(Outgoing::ToHead(Box::new(message)));
                }
            }
        }
    }

    /// Asks the head for a process, or for the node itself when there is none.
    pub(crate) fn ask_head(&mut self, from: Option<u64>, request: Request) {
        let worker = from.map_or(WorkerId::nil(), |number| self.node.worker_id(number));
        let job = from.map_or(JobId::nil(), |number| self.job_of(number));
        let message = FromProcess {
            worker_id: worker.as_bytes().to_vec(),
            job_id: job.as_bytes().to_vec(),
            request: Some(request),
        };
        self.tell_head(Body::FromProcess(message));
    }

    /// Has the head see what is due.
    pub(crate) fn on_head_deadline(&mut self) {
        let now_us = self.now_us();
        let mut out = Out::new();
        let HeadPlace::Here(head) = &mut self.head.place else {
            return;
        };
        if head.next_deadline_us().is_some_and(|deadline_us| deadline_us <= now_us) {
            head.tick(now_us, &mut out);
            self.note_said(out.into_iter().map(|(_, message)| message));
        }
    }

    /// The head, which is elsewhere, says something.
    pub(crate) fn on_head_says(&mut self, message: HeadToNode) {
        self.note_said([message]);
    }

    /// What the head says is handled in the order in which it said it, also when handling it makes the head say more.
    fn note_said(&mut self, said: impl IntoIterator<Item = HeadToNode>) {
        self.head.said.extend(said);
        if self.head.is_handling {
            return;
        }
        self.head.is_handling = true;
        while let Some(message) = self.head.said.pop_front() {
            self.on_head_message(message);
        }
        self.head.is_handling = false;
    }
}
