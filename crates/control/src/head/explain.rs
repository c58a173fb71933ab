//! Why something is as it is: an actor, a placement group or a node by its id, waiting tasks and named actors by their name.

use crate::head::Head;
use crate::head::plan::BundlePlace;
use crate::head::queries::resources_json;
use crate::json::{array, hex, object, string};
use trygon_control_core::{Actor, ActorState, Group, GroupState};
use trygon_ids::NodeId;

/// Answers to one question.
const MOST_ANSWERS: usize = 100;

impl Head {
    /// Everything that goes by this id, or by this name.
    pub(super) fn explain_json(&self, wanted: &str) -> String {
        let actors = self.actors.iter().filter(|(id, actor)| id.hex() == wanted || actor.spec.name == wanted);
        let actors = actors.filter(|_| !wanted.is_empty()).map(|(_, actor)| self.explain_actor(actor));
        let groups = self.groups.iter().filter(|(id, group)| id.hex() == wanted || group.spec.name == wanted);
        let groups = groups.filter(|_| !wanted.is_empty()).map(|(_, group)| self.explain_group(group));
        let nodes = self.nodes.iter().filter(|(id, _)| id.hex() == wanted);
        let nodes = nodes.map(|(id, _)| self.explain_node(*id));
        let demand = self.demand().into_iter().filter(|((kind, _, name, _), _)| *kind == "tasks" && *name == wanted);
        let tasks = demand.map(|((kind, needs, name, why), count)| {
            let why = if why.is_empty() { "waits for room: all nodes that suit are in use" } else { why };
            object([
                ("kind", string(kind)),
                ("name", string(name)),
                ("state", string("WAITING")),
                ("count", count.to_string()),
                ("needs", array(needs.iter().map(resources_json))),
                ("why", string(why)),
            ])
        });
        array(actors.chain(groups).chain(nodes).chain(tasks).take(MOST_ANSWERS))
    }

    fn explain_actor(&self, actor: &Actor) -> String {
        let id = actor.spec.actor;
        let at = self.placing.get(&id).map(|placing| placing.node);
        let at = at.or_else(|| actor.worker().and_then(|worker| self.nodes.of_worker(worker)));
        let why = match &actor.state {
            ActorState::Dead { death, .. } => death.message.clone(),
            ActorState::Alive { .. } => "it runs".to_owned(),
            ActorState::Constructing { .. } => "its constructor runs".to_owned(),
            ActorState::Pending { .. } if !actor.waits.is_empty() => actor.waits.clone(),
            ActorState::Pending { .. } => match at {
                Some(node) => format!("waits for a worker on node {node}"),
                None => "waits for a node".to_owned(),
            },
        };
        object([
            ("kind", string("actor")),
            ("id", hex(id.as_bytes())),
            ("name", string(&actor.spec.name)),
            ("class_name", string(&actor.spec.class_name)),
            ("state", string(actor.state_name())),
            ("node_id", at.map_or_else(|| string(""), |node| hex(node.as_bytes()))),
            ("pid", actor.worker().and_then(|worker| self.pids.get(&worker)).copied().unwrap_or(0).to_string()),
            ("incarnation", actor.incarnation.to_string()),
            ("max_restarts", actor.spec.max_restarts.to_string()),
            ("needs", array([resources_json(&actor.spec.placement)])),
            ("why", string(&why)),
            ("history", self.history.actor_json(self.now_us, id)),
        ])
    }

    fn explain_group(&self, group: &Group) -> String {
        let plan = self.plans.get(&group.spec.group);
        let why = match (&group.state, plan) {
            (GroupState::Removed, _) => "it was removed".to_owned(),
            (GroupState::Created, _) => "all its bundles are reserved".to_owned(),
            (GroupState::Pending { waits }, _) if !waits.is_empty() => waits.clone(),
            (_, Some(plan)) if !plan.asked.is_empty() => {
                let nodes: Vec<String> = plan.asked.keys().map(NodeId::hex).collect();
                format!("attempt {}: waits for the answers of {}", plan.attempt, nodes.join(", "))
            }
            _ => "waits for room: the nodes that could hold its bundles are in use".to_owned(),
        };
        let places = plan.map(|plan| plan.bundles.as_slice()).unwrap_or_default();
        let bundle = |(index, place): (usize, &BundlePlace)| {
            let (state, node) = match place {
                BundlePlace::Nowhere => ("WAITING", String::new()),
                BundlePlace::Asked(node) => ("ASKED", node.hex()),
                BundlePlace::Held { node, .. } => ("RESERVED", node.hex()),
            };
            object([
                ("index", index.to_string()),
                ("state", string(state)),
                ("node_id", string(&node)),
                ("needs", resources_json(&group.spec.bundles[index])),
            ])
        };
        object([
            ("kind", string("placement_group")),
            ("id", hex(group.spec.group.as_bytes())),
            ("name", string(&group.spec.name)),
            ("state", string(group.state_name())),
            ("strategy", string(group.spec.strategy.name())),
            ("attempt", plan.map_or(0, |plan| plan.attempt).to_string()),
            ("bundles", array(places.iter().enumerate().map(bundle))),
            ("why", string(&why)),
            ("history", self.history.group_json(self.now_us, group.spec.group)),
        ])
    }

    fn explain_node(&self, id: NodeId) -> String {
        let Some(node) = self.nodes.by_id.get(&id) else {
            return object([]);
        };
        let why = match (node.view.state.as_str(), node.view.message.as_str()) {
            ("alive", _) => "it takes work",
            (_, message) => message,
        };
        object([
            ("kind", string("node")),
            ("id", hex(id.as_bytes())),
            ("name", string(&node.view.hostname)),
            ("state", string(&node.view.state)),
            ("node_number", node.view.node_number.to_string()),
            ("address", string(&node.view.address)),
            ("total", resources_json(&node.total)),
            ("free", resources_json(&node.free)),
            ("waiting", node.view.waiting.to_string()),
            ("fenced", self.is_fenced(id).to_string()),
            ("why", string(why)),
            ("history", self.history.node_json(self.now_us, id)),
        ])
    }
}
