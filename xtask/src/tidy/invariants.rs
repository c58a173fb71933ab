//! Law 8: an invariant that a module's header declares (`OWN-1`, `STORE-2`) is named by at least one test, and broken by at least one
//! planted defect, which the simulator has to find.
//!
//! A header declares a label by opening a line with it: `//! - **OWN-1** …` or `//! LEASE-2: …`. A label that code names
//! but no header declares is a slip of the pen and refused too, within the families that are declared.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::{Source, Tree};

/// The law.
pub(crate) const LAW: Law = Law {
    name: "invariants",
    says: "every invariant declared in a header is cited by a test and broken by a planted defect, and none is unknown",
    check,
};

/// Letters, hyphen, digits like a label's, but something else.
const NOT_LABELS: [&str; 5] = ["UTF", "SHA", "RFC", "ISO", "CVE"];

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut declared: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    let mut tested = BTreeSet::new();
    let mut cited = Vec::new();
    // These checks' own words and samples are about labels, not under them.
    let rust = tree.packages.iter().filter(|package| package.name != "xtask").flat_map(|package| &package.sources);
    for source in rust.chain(&tree.python) {
        for (index, line) in source.text.lines().enumerate() {
            note_line(source, index + 1, line, &mut declared, &mut tested, &mut cited);
        }
    }
    let families: BTreeSet<&str> = declared.keys().map(|label| family(label)).collect();
    let untested = declared.iter().filter(|(label, _)| !tested.contains(*label)).map(|(label, (path, line))| {
        finding(path, *line, label, format!("{label} is declared here and no test names it"))
    });
    let unknown = cited
        .iter()
        .filter(|(label, _, _)| families.contains(family(label)) && !declared.contains_key(label))
        .map(|(label, path, line)| finding(path, *line, label, format!("{label} is declared in no module's header")));
    untested.chain(unknown).chain(unplanted(tree, settings, &declared)).collect()
}

/// Invariants that no planted defect breaks.
fn unplanted(tree: &Tree, settings: &Settings, declared: &BTreeMap<String, (&str, usize)>) -> Vec<Finding> {
    let planting = &settings.planting;
    if planting.crates.is_empty() {
        return Vec::new();
    }
    let packages = tree.packages.iter().filter(|package| planting.crates.contains(&package.name));
    let tables: String = packages.flat_map(|package| &package.sources).map(|source| source.text.as_str()).collect();
    let is_planted = |label: &String| planting.except.contains(label) || tables.contains(&format!("\"{label}\""));
    let missing = declared.iter().filter(|(label, _)| !is_planted(label));
    let found = missing.map(|(label, (path, line))| {
        finding(path, *line, label, format!("{label} is declared here and no planted defect breaks it"))
    });
    found.collect()
}

fn note_line<'tree>(
    source: &'tree Source,
    number: usize,
    line: &str,
    declared: &mut BTreeMap<String, (&'tree str, usize)>,
    tested: &mut BTreeSet<String>,
    cited: &mut Vec<(String, &'tree str, usize)>,
) {
    let labels = labels(line);
    let is_test = source.is_test_line(number);
    if let Some(words) = line.trim_start().strip_prefix("//!").filter(|_| !is_test) {
        let opening = words.trim_start_matches([' ', '-', '*']);
        if let Some(label) = labels.first().filter(|label| opening.starts_with(label.as_str())) {
            declared.entry(label.clone()).or_insert((&source.path, number));
        }
    }
    for label in labels {
        if is_test {
            tested.insert(label.clone());
        }
        cited.push((label, &source.path, number));
    }
}

fn labels(line: &str) -> Vec<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    line.split(|letter: char| !word(letter)).filter(|word| is_label(word)).map(str::to_owned).collect()
}

fn is_label(word: &str) -> bool {
    word.split_once('-').is_some_and(|(letters, digits)| {
        letters.len() >= 3
            && letters.bytes().all(|letter| letter.is_ascii_uppercase())
            && (1..=2).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !NOT_LABELS.contains(&letters)
    })
}

fn family(label: &str) -> &str {
    label.split('-').next().unwrap_or(label)
}

fn finding(path: &str, line: usize, label: &str, message: String) -> Finding {
    Finding { law: LAW.name, path: path.to_owned(), line, item: label.to_owned(), amount: 0, message }
}
