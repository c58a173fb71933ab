//! Law 4: the modules of a crate do not use one another in a circle, and no child reaches for its parent by `super`.
//!
//! A re-export is no use: whoever names it is taken to use the module that defines the item. A circle inside one file is
//! nobody's business.

mod graph;
#[cfg(test)]
mod tests;

use crate::settings::Settings;
use crate::tidy::cycles::graph::knots;
use crate::tidy::{Finding, Law};
use crate::tree::{Source, Tree, named_paths};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "cycles", says: "modules of a crate form no circle; no `super::` outside tests", check };

fn check(tree: &Tree, _settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &tree.packages {
        for source in package.sources.iter().filter(|source| !source.is_test) {
            check_super(source, &mut found);
        }
        for knot in knots(package) {
            found.push(Finding {
                law: LAW.name,
                path: format!("{}/src", package.folder),
                item: knot.members.join(" "),
                amount: knot.members.len(),
                message: format!("modules use one another in a circle: {}", knot.uses.join(", ")),
                line: 0,
            });
        }
    }
    found
}

fn check_super(source: &Source, found: &mut Vec<Finding>) {
    for path in named_paths(source) {
        let reaches_up = path.segments.first().is_some_and(|first| first == "super");
        if reaches_up && !source.is_test_line(path.line) {
            found.push(Finding {
                law: LAW.name,
                path: source.path.clone(),
                line: path.line,
                item: path.text(),
                message: format!("`{}` reaches for the parent: write `crate::…`", path.text()),
                amount: 0,
            });
        }
    }
}
