//! Law 1: crates depend downwards, and only on what `layers.toml` lets them.

#[cfg(test)]
mod tests;

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::{Package, Tree};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "layers", says: "a crate depends only on lower tiers and on what layers.toml lists", check };

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &tree.packages {
        check_package(package, settings, &mut found);
    }
    for (name, rule) in &settings.crates {
        if !tree.packages.is_empty() && !tree.packages.iter().any(|package| &package.name == name) {
            found.push(in_layers(name, "is listed but is no crate of the workspace: delete the entry"));
        }
        if !settings.tiers.contains(&rule.tier) {
            found.push(in_layers(name, &format!("has the tier {}, which is none of the tiers", rule.tier)));
        }
    }
    found
}

fn check_package(package: &Package, settings: &Settings, found: &mut Vec<Finding>) {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let mut complain = |item: &str, message: String| {
        found.push(Finding {
            law: LAW.name,
            path: manifest.clone(),
            item: item.to_owned(),
            message,
            ..Finding::default()
        });
    };
    let Some(rule) = settings.crates.get(&package.name) else {
        complain(&package.name, format!("{} has no entry in layers.toml: give it a tier", package.name));
        return;
    };
    if !package.manifest.replace(' ', "").contains("[lints]\nworkspace=true") {
        complain(&package.name, "the manifest lacks `[lints] workspace = true`".to_owned());
    }
    let height = |tier: &String| settings.tiers.iter().position(|known| known == tier);
    for dependency in package.dependencies.iter().filter(|dependency| dependency.is_member) {
        let Some(below) = settings.crates.get(&dependency.name) else {
            continue;
        };
        // Proofs serve tests: a dev-dependency on the highest tier is what they are for.
        if dependency.is_dev && settings.tiers.last() == Some(&below.tier) {
            continue;
        }
        if height(&below.tier) > height(&rule.tier) {
            complain(&dependency.name, format!("{} ({}) lies above {}", dependency.name, below.tier, rule.tier));
        } else if !rule.may_use.contains(&dependency.name) {
            complain(&dependency.name, format!("{} is not among what {} may use", dependency.name, package.name));
        }
    }
}

fn in_layers(name: &str, message: &str) -> Finding {
    Finding {
        law: LAW.name,
        path: "layers.toml".to_owned(),
        item: name.to_owned(),
        message: format!("{name} {message}"),
        ..Finding::default()
    }
}
