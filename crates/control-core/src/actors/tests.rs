//! Lives of actors; the laws are checked after every event.

use crate::actors::{ActorSpec, Actors, Created, Death, Effect};
use trygon_ids::{ActorId, WorkerId};
use trygon_resources::ResourceSet;

const ACTOR: ActorId = ActorId::new([7; 16]);
const DRIVER: WorkerId = WorkerId::new([0; 28]);

fn worker(byte: u8) -> WorkerId {
    WorkerId::new([byte; 28])
}

fn spec(creator: WorkerId, max_restarts: i64) -> ActorSpec {
    ActorSpec {
        actor: ACTOR,
        creator,
        class_hash: vec![1],
        class_name: "Counter".to_owned(),
        name: "it".to_owned(),
        namespace: "n".to_owned(),
        placement: ResourceSet::new(),
        lifetime: ResourceSet::new(),
        max_restarts,
        arguments: vec![2],
        handle_meta: vec![3],
        options: vec![],
        depth: 0,
        detached: false,
        environment: Vec::new(),
    }
}

fn crash() -> Death {
    Death { kind: "signal".to_owned(), signal: 11, message: "it crashed".to_owned(), ..Death::default() }
}

/// Runs one event and checks the laws.
fn on(actors: &mut Actors, event: impl FnOnce(&mut Actors, &mut Vec<Effect>)) -> Vec<Effect> {
    let mut effects = Vec::new();
    event(actors, &mut effects);
    actors.sanity_check().expect("the laws hold");
    effects
}

fn notify(watcher: WorkerId) -> Effect {
    Effect::Notify { watcher, actor: ACTOR }
}

fn create(actors: &mut Actors, creator: WorkerId, max_restarts: i64) {
    let effects = on(actors, |actors, effects| {
        assert_eq!(actors.on_create(spec(creator, max_restarts), effects), Created::Registered);
    });
    assert_eq!(effects, [Effect::Place { actor: ACTOR }]);
}

fn bring_up(actors: &mut Actors, incarnation: u32, on_worker: WorkerId) {
    let effects = on(actors, |actors, effects| {
        assert!(actors.on_placed(ACTOR, incarnation, on_worker, effects));
    });
    assert_eq!(effects, [Effect::Start { actor: ACTOR, worker: on_worker }]);
    let effects = on(actors, |actors, effects| actors.on_started(on_worker, ACTOR, incarnation, vec![], effects));
    assert_eq!(effects[0], Effect::Running { worker: on_worker });
}

#[test]
fn an_actor_comes_to_life_and_its_name_is_found() {
    // ACTOR-1
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 0);
    assert_eq!(actors.get(ACTOR).map(|actor| actor.state_name()), Some("pending"));
    let mut other = spec(DRIVER, 0);
    other.actor = ActorId::new([8; 16]);
    let effects = on(&mut actors, |actors, effects| {
        assert_eq!(actors.on_create(other.clone(), effects), Created::NameTaken(ACTOR));
    });
    assert!(effects.is_empty());
    bring_up(&mut actors, 0, worker(1));
    assert_eq!(actors.named("n", "it").map(|actor| actor.state_name()), Some("alive"));
    on(&mut actors, |actors, effects| actors.on_kill(ACTOR, true, effects));
    assert!(actors.named("n", "it").is_none());
    on(&mut actors, |actors, effects| {
        assert_eq!(actors.on_create(other, effects), Created::Registered);
    });
}

#[test]
fn a_crash_restarts_as_often_as_allowed() {
    // ACTOR-2, ACTOR-4
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 1);
    bring_up(&mut actors, 0, worker(1));
    let effects = on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &crash(), effects));
    assert_eq!(effects, [notify(DRIVER), Effect::Place { actor: ACTOR }]);
    assert_eq!(actors.get(ACTOR).map(|actor| (actor.state_name(), actor.incarnation)), Some(("restarting", 1)));
    bring_up(&mut actors, 1, worker(2));
    let effects = on(&mut actors, |actors, effects| actors.on_process_died(worker(2), &crash(), effects));
    assert_eq!(effects, [notify(DRIVER)]);
    assert_eq!(actors.get(ACTOR).and_then(|actor| actor.death()), Some(&crash()));
    // It stays dead, with its first cause.
    on(&mut actors, |actors, effects| actors.on_kill(ACTOR, true, effects));
    assert_eq!(actors.get(ACTOR).and_then(|actor| actor.death()), Some(&crash()));
}

#[test]
fn an_earlier_life_says_nothing() {
    // ACTOR-3
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, -1);
    on(&mut actors, |actors, effects| {
        actors.on_placed(ACTOR, 0, worker(1), effects);
    });
    on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &crash(), effects));
    let effects = on(&mut actors, |actors, effects| {
        assert!(!actors.on_placed(ACTOR, 0, worker(2), effects));
        actors.on_started(worker(1), ACTOR, 0, vec![], effects);
    });
    assert!(effects.is_empty());
    bring_up(&mut actors, 1, worker(3));
}

#[test]
fn a_constructor_that_raises_ends_it_without_restart() {
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 5);
    on(&mut actors, |actors, effects| {
        actors.on_placed(ACTOR, 0, worker(1), effects);
    });
    let effects = on(&mut actors, |actors, effects| actors.on_started(worker(1), ACTOR, 0, vec![9], effects));
    assert_eq!(effects[0], notify(DRIVER));
    assert!(matches!(effects[1], Effect::Kill { kind: "constructor", .. }));
    assert!(actors.get(ACTOR).is_some_and(|actor| actor.is_dead()));
    let effects = on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &crash(), effects));
    assert!(effects.is_empty());
}

#[test]
fn an_exit_on_purpose_is_no_crash() {
    for kind in ["user_exit", "out_of_scope"] {
        let mut actors = Actors::default();
        create(&mut actors, DRIVER, -1);
        bring_up(&mut actors, 0, worker(1));
        let death = Death { kind: kind.to_owned(), ..Death::default() };
        on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &death, effects));
        assert!(actors.get(ACTOR).is_some_and(|actor| actor.is_dead()), "{kind}");
    }
}

#[test]
fn kill_with_restart_counts_as_a_crash() {
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 1);
    bring_up(&mut actors, 0, worker(1));
    let effects = on(&mut actors, |actors, effects| actors.on_kill(ACTOR, false, effects));
    assert!(matches!(effects.as_slice(), [Effect::Kill { kind: "killed", .. }]));
    let death = Death { kind: "killed".to_owned(), ..Death::default() };
    on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &death, effects));
    assert_eq!(actors.get(ACTOR).map(|actor| actor.state_name()), Some("restarting"));
}

#[test]
fn the_last_handle_drains_what_lives_and_ends_what_waits() {
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 3);
    let effects = on(&mut actors, |actors, effects| actors.on_out_of_scope(ACTOR, effects));
    assert_eq!(effects, [Effect::Unplace { actor: ACTOR }, notify(DRIVER)]);

    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 3);
    on(&mut actors, |actors, effects| {
        actors.on_placed(ACTOR, 0, worker(1), effects);
    });
    let effects = on(&mut actors, |actors, effects| actors.on_out_of_scope(ACTOR, effects));
    assert!(effects.is_empty());
    let effects = on(&mut actors, |actors, effects| actors.on_started(worker(1), ACTOR, 0, vec![], effects));
    assert_eq!(effects.last(), Some(&Effect::Drain { worker: worker(1) }));
    // Even a crash while it drains is the end.
    on(&mut actors, |actors, effects| actors.on_process_died(worker(1), &crash(), effects));
    assert!(actors.get(ACTOR).is_some_and(|actor| actor.is_dead()));
}

#[test]
fn a_creator_takes_its_actors_with_it_unless_they_are_detached() {
    // ACTOR-5
    let mut actors = Actors::default();
    create(&mut actors, worker(5), 3);
    bring_up(&mut actors, 0, worker(1));
    let effects = on(&mut actors, |actors, effects| {
        assert!(actors.on_watch(DRIVER, ACTOR, effects));
    });
    assert_eq!(effects, [notify(DRIVER)]);
    let effects = on(&mut actors, |actors, effects| actors.on_process_died(worker(5), &crash(), effects));
    assert!(matches!(&effects[0], Effect::Kill { message, .. } if message.contains("it crashed")));
    assert!(effects.contains(&notify(DRIVER)));

    let mut actors = Actors::default();
    let mut detached = spec(worker(5), 0);
    detached.detached = true;
    on(&mut actors, |actors, effects| {
        actors.on_create(detached, effects);
    });
    let effects = on(&mut actors, |actors, effects| actors.on_process_died(worker(5), &crash(), effects));
    assert!(effects.is_empty());
}

#[test]
fn an_unknown_actor_cannot_be_watched() {
    let effects = on(&mut Actors::default(), |actors, effects| {
        assert!(!actors.on_watch(DRIVER, ACTOR, effects));
    });
    assert!(effects.is_empty());
}

#[test]
fn an_actor_that_is_refused_is_dead_with_that_cause_and_its_name_is_free() {
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, -1);
    on(&mut actors, |actors, effects| assert!(actors.on_watch(DRIVER, ACTOR, effects)));
    let effects = on(&mut actors, |actors, effects| {
        actors.on_refused(ACTOR, "runtime_env_failed", "no such package".to_owned(), effects);
    });
    assert_eq!(effects, [notify(DRIVER)]);
    let death = actors.get(ACTOR).and_then(|actor| actor.death().cloned()).expect("a cause");
    assert_eq!((death.kind.as_str(), death.message.as_str()), ("runtime_env_failed", "no such package"));
    assert!(actors.named("n", "it").is_none());
    // One that has a worker does not hear of it.
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, 0);
    bring_up(&mut actors, 0, worker(1));
    let effects = on(&mut actors, |actors, effects| actors.on_refused(ACTOR, "x", String::new(), effects));
    assert!(effects.is_empty() && !actors.get(ACTOR).expect("it").is_dead());
}

#[test]
fn a_worker_has_one_actor() {
    // ACTOR-3
    let mut actors = Actors::default();
    let other = ActorId::new([8; 16]);
    create(&mut actors, DRIVER, 0);
    let second = ActorSpec { actor: other, name: String::new(), ..spec(DRIVER, 0) };
    on(&mut actors, |actors, effects| {
        assert_eq!(actors.on_create(second, effects), Created::Registered);
    });
    on(&mut actors, |actors, effects| assert!(actors.on_placed(ACTOR, 0, worker(1), effects)));
    on(&mut actors, |actors, effects| assert!(!actors.on_placed(other, 0, worker(1), effects)));
    on(&mut actors, |actors, effects| assert!(actors.on_placed(other, 0, worker(2), effects)));
}

#[test]
fn deaths_in_the_constructor_make_an_actor_rest() {
    let mut actors = Actors::default();
    create(&mut actors, DRIVER, -1);
    let mut rests = Vec::new();
    let mut life = |actors: &mut Actors, incarnation: u32, death: &Death, is_begun: bool| {
        let on_worker = worker(incarnation as u8 + 1);
        if is_begun {
            bring_up(actors, incarnation, on_worker);
        } else {
            on(actors, |actors, effects| assert!(actors.on_placed(ACTOR, incarnation, on_worker, effects)));
        }
        let effects = on(actors, |actors, effects| actors.on_process_died(on_worker, death, effects));
        let rest = effects.iter().find_map(|effect| match effect {
            Effect::Place { .. } => Some(0),
            Effect::Rest { rest_us, .. } => Some(*rest_us),
            _ => None,
        });
        rests.push(rest.expect("another life") / 20_000);
    };
    for incarnation in 0..4 {
        life(&mut actors, incarnation, &crash(), false);
    }
    let waits = actors.get(ACTOR).map(|actor| actor.waits.clone()).unwrap_or_default();
    assert!(waits.contains("4 times in a row") && waits.contains("it crashed"), "{waits}");
    // ACTOR-6: what the constructor has nothing to do with counts for nothing, and one that came up begins anew.
    let node = Death { kind: "node".to_owned(), ..crash() };
    life(&mut actors, 4, &node, false);
    life(&mut actors, 5, &crash(), true);
    life(&mut actors, 6, &crash(), false);
    assert_eq!(rests[..2], [0, 1]);
    assert!((2..=3).contains(&rests[2]) && (4..=6).contains(&rests[3]) && (4..=6).contains(&rests[4]), "{rests:?}");
    assert_eq!(rests[5..], [0, 0]);
}
