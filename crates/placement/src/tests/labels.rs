//! Selectors of labels.

use crate::{Labels, is_met};

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
