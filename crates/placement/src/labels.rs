//! Selectors of labels: `key=value`, joined by `&`; alternatives, the preferred one first, are joined by `|`.
//!
//! A value is `v`, `!v`, `in(v,w)`, `!in(v,w)`, `*` (there is one) or `!*` (there is none). What a node lacks is none of any values, so
//! that `!v` and `!in(…)` hold for it.

use std::collections::BTreeMap;

/// The labels of a node.
pub type Labels = BTreeMap<String, String>;

/// Whether one of the alternatives holds.
pub fn is_met(selectors: &str, labels: &Labels) -> bool {
    selectors.split('|').any(|all| all.split('&').filter(|one| !one.is_empty()).all(|one| holds(one, labels)))
}

fn holds(selector: &str, labels: &Labels) -> bool {
    let Some((key, wanted)) = selector.split_once('=') else {
        return false;
    };
    let label = labels.get(key);
    let (is_negated, wanted) = wanted.strip_prefix('!').map_or((false, wanted), |wanted| (true, wanted));
    let is_one = match wanted.strip_prefix("in(").and_then(|values| values.strip_suffix(')')) {
        Some(values) => label.is_some_and(|label| values.split(',').any(|value| value.trim() == label)),
        None if wanted == "*" => label.is_some(),
        None => label.is_some_and(|label| label == wanted),
    };
    is_one != is_negated
}

/// The alternatives, the preferred one first.
pub(crate) fn alternatives(selectors: &str) -> impl Iterator<Item = &str> {
    selectors.split('|')
}

/// Labels that must have one value, of one alternative.
pub(crate) fn required(selectors: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = selectors.split('&').filter_map(|selector| selector.split_once('='));
    pairs.filter(|(_, value)| *value != "*" && !value.starts_with('!') && !value.starts_with("in("))
}
