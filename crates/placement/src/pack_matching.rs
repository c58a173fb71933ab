//! Each bundle on a node of its own: a matching of bundles with nodes, exact.

use crate::problem::Problem;

/// The candidate of each bundle, all different and none that holds a bundle of the group already.
pub(crate) fn pack_apart(problem: &Problem<'_>) -> Option<Vec<usize>> {
    let count = problem.request.bundles.len();
    if count > problem.candidates.len() {
        return None;
    }
    let mut holder: Vec<Option<usize>> = vec![None; problem.candidates.len()];
    for bundle in &problem.order {
        let mut seen = vec![false; problem.candidates.len()];
        if !place(problem, *bundle, &mut holder, &mut seen) {
            return None;
        }
    }
    let mut places = vec![0; count];
    for (candidate, bundle) in holder.iter().enumerate() {
        if let Some(bundle) = bundle {
            places[*bundle] = candidate;
        }
    }
    Some(places)
}

/// Finds a candidate for a bundle; bundles that are in the way move on if they can. The way back is kept on a stack of its own: a chain
/// is as long as there are bundles.
fn place(problem: &Problem<'_>, first: usize, holder: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    // The bundle, and the next candidate to try for it.
    let mut chain: Vec<(usize, usize)> = vec![(first, 0)];
    while let Some((bundle, next)) = chain.last_mut() {
        let suits = |candidate: &usize| {
            let has_others = problem.candidates[*candidate].bundles > 0 && !problem.defects.others_ignored;
            !seen[*candidate] && !has_others && problem.fits(*bundle, *candidate)
        };
        let Some(candidate) = (*next..problem.candidates.len()).find(suits) else {
            chain.pop();
            continue;
        };
        seen[candidate] = true;
        *next = candidate + 1;
        if let Some(other) = holder[candidate] {
            chain.push((other, 0));
            continue;
        }
        // The last one of the chain takes the free candidate, the one before takes what that one had, and so on.
        for (bundle, next) in chain {
            holder[next - 1] = Some(bundle);
        }
        return true;
    }
    false
}
