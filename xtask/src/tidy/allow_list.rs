//! The allowlist: it excuses what is known, and may only shrink.
//!
//! An entry that excuses nothing, or more than is measured, is itself a finding; so is an entry that the last commit did
//! not have or that has grown since.

#[cfg(test)]
mod tests;

use crate::settings::{AllowList, Allowed};
use crate::tidy::finding::Finding;

const NAME: &str = "allow-list";
const PATH: &str = "xtask/allow.toml";

/// Leaves out what is excused and adds what is wrong with the list itself.
pub(crate) fn apply(findings: Vec<Finding>, allowed: &AllowList, committed: Option<&str>) -> Vec<Finding> {
    let mut kept = Vec::new();
    let mut used = vec![None; allowed.allow.len()];
    for finding in findings {
        match allowed.allow.iter().position(|entry| excuses(entry, &finding)) {
            Some(index) => used[index] = Some(used[index].unwrap_or(0).max(finding.amount)),
            None => kept.push(finding),
        }
    }
    for (entry, used) in allowed.allow.iter().zip(used) {
        match used {
            None => kept.push(complain(entry, "excuses nothing any more: delete it".to_owned())),
            Some(amount) if amount < entry.amount => {
                kept.push(complain(entry, format!("allows {} where {amount} is measured: lower it", entry.amount)));
            }
            Some(_) => {}
        }
    }
    if let Some(before) = committed.and_then(|text| toml::from_str::<AllowList>(text).ok()) {
        kept.extend(allowed.allow.iter().filter_map(|entry| growth(entry, &before)));
    }
    kept
}

fn excuses(entry: &Allowed, finding: &Finding) -> bool {
    same_place(entry, finding.law, &finding.path, &finding.item) && finding.amount <= entry.amount
}

fn same_place(entry: &Allowed, law: &str, path: &str, item: &str) -> bool {
    entry.law == law && entry.path == path && entry.item == item
}

fn growth(entry: &Allowed, before: &AllowList) -> Option<Finding> {
    let earlier = before.allow.iter().find(|old| same_place(old, &entry.law, &entry.path, &entry.item));
    match earlier {
        None => Some(complain(entry, "is new: this list may only shrink, mend the file instead".to_owned())),
        Some(old) if old.amount < entry.amount => Some(complain(entry, format!("has grown from {}", old.amount))),
        Some(_) => None,
    }
}

fn complain(entry: &Allowed, what: String) -> Finding {
    let place = if entry.item.is_empty() { entry.path.clone() } else { format!("{} {}", entry.path, entry.item) };
    Finding {
        law: NAME,
        path: PATH.to_owned(),
        message: format!("the entry {} for {place} {what}", entry.law),
        ..Finding::default()
    }
}
