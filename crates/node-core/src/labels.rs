//! Selectors of labels: `key=value`, joined by `&`; alternatives, the preferred one first, are joined by `|`.
//!
//! A value is `v`, `!v`, `in(v,w)`, `!in(v,w)`, `*` (there is one) or `!*` (there is none). What a node lacks is none of any values, so
//! that `!v` and `!in(…)` hold for it.

use std::collections::BTreeMap;

/// The labels of a node.
pub type Labels = BTreeMap<String, String>;

/// Whether one of the alternatives holds.
pub(crate) fn is_met(selectors: &str, labels: &Labels) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_hold_or_not() {
        let labels = Labels::from([("zone".to_owned(), "a".to_owned()), ("x.io/kind".to_owned(), "spot".to_owned())]);
        let met = ["", "zone=a", "zone=!b", "zone=in(a,b)", "zone=!in(b, c)", "zone=*", "none=!*", "none=!a"];
        assert_eq!(met.iter().find(|selector| !is_met(selector, &labels)), None);
        let unmet = ["zone=b", "zone=!a", "zone=in(b)", "zone=!in(a)", "zone=!*", "none=*", "none=a", "zone"];
        assert_eq!(unmet.iter().find(|selector| is_met(selector, &labels)), None);
        assert!(is_met("zone=a&x.io/kind=spot", &labels));
        assert!(!is_met("zone=a&x.io/kind=!spot", &labels));
        assert!(is_met("zone=b|zone=c&zone=a|zone=a", &labels));
    }
}
