//! Bundles on few nodes, or on many: the good choice first, and a bounded search when it leads nowhere.

use crate::problem::Problem;
use trygon_resources::Amount;

/// Steps of the search before it gives up: what is left then is found when others end.
const STEPS: u32 = 20_000;

/// On as few nodes as possible: a bundle goes where bundles of the group are, else where it leaves least.
pub(crate) fn pack_few(problem: &mut Problem<'_>) -> Option<Vec<usize>> {
    search(problem, |problem, _, candidate| {
        let candidate = &problem.candidates[candidate];
        // The largest node may take most of those that follow.
        let left: Amount = candidate.room.iter().map(|(_, amount)| amount).max().unwrap_or(Amount::ZERO);
        (u32::from(candidate.bundles == 0), Amount::ZERO - left)
    })
}

/// On as many nodes as possible: a bundle goes where fewest of the group are.
pub(crate) fn pack_many(problem: &mut Problem<'_>) -> Option<Vec<usize>> {
    search(problem, |problem, _, candidate| {
        let candidate = &problem.candidates[candidate];
        (candidate.bundles, Amount::from_units(i64::from(candidate.seat.load())))
    })
}

/// Places the bundles one after the other, for each the candidates in the order of `rank`; goes back when one has none.
fn search(problem: &mut Problem<'_>, rank: impl Fn(&Problem<'_>, usize, usize) -> (u32, Amount)) -> Option<Vec<usize>> {
    let count = problem.order.len();
    let mut places = vec![0; count];
    // For each bundle placed, and the one at hand: the candidates that are left to be tried, the best one last.
    let mut choices: Vec<Vec<usize>> = Vec::with_capacity(count);
    choices.push(ranked(problem, 0, &rank));
    for _ in 0..STEPS {
        let depth = choices.len() - 1;
        let Some(candidate) = choices.last_mut().and_then(Vec::pop) else {
            // The bundle before goes elsewhere.
            choices.pop();
            let before = depth.checked_sub(1)?;
            let bundle = problem.order[before];
            let candidate = &mut problem.candidates[places[bundle]];
            if !problem.defects.room_lost {
                candidate.room.add(&problem.request.bundles[bundle]);
            }
            candidate.bundles -= 1;
            continue;
        };
        let bundle = problem.order[depth];
        let at = &mut problem.candidates[candidate];
        at.room.subtract(&problem.request.bundles[bundle]);
        at.bundles += 1;
        places[bundle] = candidate;
        if depth + 1 == count {
            return Some(places);
        }
        let next = ranked(problem, depth + 1, &rank);
        choices.push(next);
    }
    None
}

fn ranked(
    problem: &Problem<'_>,
    depth: usize,
    rank: &impl Fn(&Problem<'_>, usize, usize) -> (u32, Amount),
) -> Vec<usize> {
    let bundle = problem.order[depth];
    let mut fitting: Vec<usize> =
        (0..problem.candidates.len()).filter(|candidate| problem.fits(bundle, *candidate)).collect();
    fitting.sort_by_key(|candidate| std::cmp::Reverse((rank(problem, bundle, *candidate), *candidate)));
    fitting
}
