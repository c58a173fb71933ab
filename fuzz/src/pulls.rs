//! What is fetched from other nodes, whatever they answer, and who is served, whoever asks. Input: steps, a byte each with what it needs.

use crate::input::Input;
use crate::universe::worker;
use trygon_ids::{ObjectId, SegmentId};
use trygon_store_core::{
    Decision, FetchEnd, FetchOutcome, ObjectLocation, Priority, PullEffect, PullLimits, PullRequest, PullTable,
    ServeTable, Source,
};

const MOST_STEPS: usize = 200;

fn object(number: u8) -> ObjectId {
    ObjectId::new([number & 3; ObjectId::LEN])
}

fn source(input: &mut Input<'_>) -> Source {
    let form = input.byte();
    let size_bytes = if form & 8 == 0 { 100 } else { input.number() };
    let location = ObjectLocation { segment: SegmentId(u64::from(form)), offset_bytes: 0, size_bytes };
    let failed_node = (form & 16 != 0).then(|| u32::from(form >> 5));
    Source { node: u32::from(form & 3), location, is_direct: form & 4 != 0, failed_node }
}

fn outcome(input: &mut Input<'_>) -> FetchOutcome {
    match input.byte() % 6 {
        0 => FetchOutcome::Complete,
        1 => FetchOutcome::Gone,
        2 => FetchOutcome::Refused,
        3 => FetchOutcome::Unreachable,
        4 => FetchOutcome::Stopped,
        _ => FetchOutcome::Redirect(source(input)),
    }
}

/// The laws of fetching hold, and nobody is sent on to itself.
pub(crate) fn pulls(data: &[u8]) {
    let mut input = Input::new(data);
    let mut table = PullTable::new(PullLimits { budget_bytes: 250, retry_ms: 100, give_up_ms: 1_000 });
    let mut serves = ServeTable::default();
    let (mut effects, mut fetches) = (Vec::new(), Vec::new());
    // Transfers to other nodes that have begun.
    let mut sends = Vec::new();
    let mut now_ms = 0;
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        let (which, from) = (object(step >> 4), worker(step >> 6));
        match step & 15 {
            0..=2 => {
                let Source { node, location, .. } = source(&mut input);
                let priority = [Priority::Get, Priority::Wait, Priority::Argument][usize::from(step & 15)];
                table.on_pull(&PullRequest { from, object: which, node, location, priority }, &mut effects);
            }
            3 => table.on_release(from, &which, &mut effects),
            4 => table.on_process_died(from, &mut effects),
            5 => table.on_node_died(u32::from(step >> 4), &mut effects),
            6 | 7 => table.on_space(&which, step & 1 == 0, &mut effects),
            8..=10 => {
                let attempt = match fetches.iter().rposition(|(fetched, _)| *fetched == which) {
                    Some(index) if step & 15 != 10 => fetches.swap_remove(index).1,
                    _ => input.number(),
                };
                let end = FetchEnd { attempt, outcome: outcome(&mut input), has_moved: step & 16 != 0 };
                table.on_fetched(&which, end, now_ms, &mut effects);
            }
            11 => sends.extend(table.on_send_began(&which).map(|number| (which, number))),
            12 if !sends.is_empty() => {
                let (object, number) = sends.swap_remove(usize::from(step >> 4) % sends.len());
                table.on_send_ended(&object, number, &mut effects);
            }
            12 => table.on_send_ended(&which, input.number(), &mut effects),
            13 => {
                now_ms += input.pause_ms();
                table.on_tick(now_ms, &mut effects);
            }
            14 => serves.on_node_died(u32::from(step >> 4)),
            _ => {
                let asker = source(&mut input);
                if let Decision::Redirect(to) = serves.on_asked(which, asker, now_ms) {
                    assert_ne!(to.node, asker.node, "it is sent on to itself");
                }
            }
        }
        if let Err(broken) = table.sanity_check() {
            panic!("{broken} after step {step}");
        }
        for effect in effects.drain(..) {
            if let PullEffect::Fetch { object, attempt, .. } = effect {
                fetches.push((object, attempt));
            }
        }
    }
}
