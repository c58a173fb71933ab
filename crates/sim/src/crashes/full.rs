//! FULL-1: what becomes of what a full disk refuses.

use crate::crashes::{World, message, node_id, worker};
use trygon_control::sort_out;
use trygon_ids::NodeId;
use trygon_proto::control::GetNamedActor;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead};

/// What the disk calls itself.
const PLACE: &str = "the disk";
/// The number of the question that is asked meanwhile.
const QUESTION: u64 = u64::MAX;

impl World {
    /// FULL-1: of what there is no room for, each event stays, or who said it hears why not; and questions are answered.
    pub(super) fn sort_out(
        &mut self,
        batch: &mut Vec<(NodeId, NodeToHead)>,
        out: &mut Vec<(NodeId, HeadToNode)>,
        text: &str,
    ) -> Result<(), String> {
        // A question is not kept: it must not bring the head's clock on, which is a part of its state.
        let (now_us, defects) = (0, self.full);
        let before = batch.clone();
        let is_heard = self.journal()?.machine().members().contains(&node_id(0));
        if is_heard {
            batch.push((node_id(0), message(0, question())));
        }
        sort_out(self.journal()?, now_us, (batch, 0), text, out, defects);
        if is_heard && !out.iter().any(|(_, said)| is_answer(said)) {
            return Err("FULL-1: a question is not answered while there is no room".to_owned());
        }
        let mut left = batch.iter().peekable();
        for event in before {
            if left.next_if(|left| **left == event).is_some() {
                continue;
            }
            if !out.iter().any(|(to, said)| *to == event.0 && says_full(said)) {
                return Err(format!("FULL-1: nothing becomes of {:?}, and nobody is told", event.1.body));
            }
        }
        Ok(())
    }
}

fn question() -> Body {
    let wanted = GetNamedActor { request_id: QUESTION, name: "actor-1".to_owned(), ..GetNamedActor::default() };
    let request = Some(Request::GetNamedActor(wanted));
    Body::FromProcess(FromProcess { worker_id: worker(0, 1), request, ..FromProcess::default() })
}

fn is_answer(said: &HeadToNode) -> bool {
    match &said.body {
        Some(ToNode::ToProcess(said)) => {
            matches!(&said.reply, Some(Reply::NamedActor(named)) if named.request_id == QUESTION)
        }
        _ => false,
    }
}

/// Whether a message says what is full.
fn says_full(said: &HeadToNode) -> bool {
    let text = match &said.body {
        Some(ToNode::Notice(notice)) => &notice.message,
        Some(ToNode::ToProcess(said)) => match &said.reply {
            Some(Reply::CreateActor(reply)) => &reply.out_of_disk,
            Some(Reply::KeyValue(reply)) => &reply.out_of_disk,
            Some(Reply::GroupReply(reply)) => &reply.out_of_disk,
            Some(Reply::ActorUpdate(update)) => return update.death.iter().any(|death| death.message.contains(PLACE)),
            _ => return false,
        },
        _ => return false,
    };
    text.contains(PLACE)
}
