//! Law 7: what starts a thread or process, reads the environment or takes the GIL has one door each.

#[cfg(test)]
mod tests;

use crate::settings::{ByHandRule, Settings};
use crate::tidy::{Finding, Law};
use crate::tree::{NamedPath, Source, Tree, named_paths};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "by-hand", says: "spawning, the environment and the GIL only through their doors", check };

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    let sources = tree.packages.iter().flat_map(|package| &package.sources);
    for source in sources.filter(|source| !source.is_test) {
        for path in named_paths(source).iter().filter(|path| !source.is_test_line(path.line)) {
            let broken = settings.by_hand.iter().find_map(|rule| broken_call(rule, source, path));
            if let Some((call, rule)) = broken {
                found.push(Finding {
                    law: LAW.name,
                    path: source.path.clone(),
                    line: path.line,
                    item: call.to_owned(),
                    message: format!("`{}` by hand: {}", path.text(), rule.instead),
                    amount: 0,
                });
            }
        }
    }
    found
}

fn broken_call<'rule>(
    rule: &'rule ByHandRule,
    source: &Source,
    path: &NamedPath,
) -> Option<(&'rule str, &'rule ByHandRule)> {
    if rule.allowed.iter().any(|prefix| source.path.starts_with(prefix)) {
        return None;
    }
    rule.calls.iter().find(|call| path.holds(call)).map(|call| (call.as_str(), rule))
}
