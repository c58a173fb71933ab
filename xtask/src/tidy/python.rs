//! Law 10: which Python package may import which, no private name across packages, no import of ours inside a function.

mod imports;
#[cfg(test)]
mod tests;

use crate::settings::Settings;
use crate::tidy::python::imports::{Import, imports};
use crate::tidy::{Finding, Law};
use crate::tree::{Source, Tree};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "python", says: "Python packages import only what layers.toml lets them, at the top", check };

/// The package whose members the law is about.
const OURS: &str = "trygon";
/// Packages that may import ours inside a function. Optional frameworks are imported where they are used; the rest is what `import trygon`
/// loads, which has a budget of milliseconds (docs/adr/0004).
const MAY_DEFER: [&str; 6] =
    ["trygon.integrations", "trygon._core", "trygon.compat", "trygon.exceptions", "trygon.util", "trygon.experimental"];

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.python {
        if let Some(module) = source.path.strip_prefix("python/").map(module_name) {
            check_module(source, &module, settings, &mut found);
        }
    }
    found
}

fn module_name(path: &str) -> String {
    let stem = path.strip_suffix(".py").unwrap_or(path);
    stem.strip_suffix("/__init__").unwrap_or(stem).replace('/', ".")
}

fn check_module(source: &Source, module: &str, settings: &Settings, found: &mut Vec<Finding>) {
    let Some((own, allowed)) = owner(module, settings) else {
        return;
    };
    let is_package = source.path.ends_with("/__init__.py");
    let mut complain = |line: usize, item: &str, message: String| {
        let (law, path, item) = (LAW.name, source.path.clone(), item.to_owned());
        found.push(Finding { law, path, line, item, message, amount: 0 });
    };
    for import in imports(&source.text, module, is_package) {
        if import.target != OURS && !import.target.starts_with("trygon.") {
            continue;
        }
        if import.is_deferred && !import.is_for_types && !MAY_DEFER.contains(&own) {
            complain(import.line, &import.target, format!("`{}` is imported inside a function", import.target));
        }
        if let Some(message) = refusal(&import, own, allowed, settings) {
            complain(import.line, &import.target, message);
        }
    }
    if is_package && !module.contains("._") && !all_is_sorted(&source.text) {
        complain(1, "__all__", "a public package lists its names in one sorted `__all__`".to_owned());
    }
}

/// The listed package that a module belongs to: the longest that its name starts with.
fn owner<'settings>(module: &str, settings: &'settings Settings) -> Option<(&'settings str, &'settings [String])> {
    let holds = |package: &str| module == package || module.starts_with(&format!("{package}."));
    let listed = settings.python.iter().filter(|(package, _)| holds(package));
    listed.max_by_key(|(package, _)| package.len()).map(|(package, allowed)| (package.as_str(), allowed.as_slice()))
}

fn refusal(import: &Import, own: &str, allowed: &[String], settings: &Settings) -> Option<String> {
    let target = import.target.as_str();
    // `trygon` among the allowed means its public names, not every package below it.
    let listed = |name: &String| name != OURS && (target == name || target.starts_with(&format!("{name}.")));
    let theirs = owner(target, settings).map_or(OURS, |(package, _)| package);
    if theirs == own && target != "trygon._native" {
        return None;
    }
    let known = allowed.iter().any(|name| listed(name) || (name == OURS && theirs == OURS));
    if !known {
        return Some(format!("{own} may not import {target}"));
    }
    let beyond = target.strip_prefix(theirs).unwrap_or_default();
    let is_private = beyond.split('.').any(|part| part.starts_with('_') && !part.starts_with("__"));
    (is_private && !allowed.iter().any(listed)).then(|| format!("{target} is private to {theirs}"))
}

fn all_is_sorted(text: &str) -> bool {
    let Some(list) = text.split_once("__all__ = [").and_then(|(_, rest)| rest.split_once(']')) else {
        return text.trim().is_empty() || !text.contains("import");
    };
    let names: Vec<&str> = list.0.split('"').skip(1).step_by(2).collect();
    names.windows(2).all(|pair| rank(pair[0]) < rank(pair[1]))
}

/// The order that ruff keeps: constants, classes, then the rest, each by name.
fn rank(name: &str) -> (u8, &str) {
    let is_constant = !name.chars().any(|letter| letter.is_ascii_lowercase());
    let is_class = name.starts_with(|letter: char| letter.is_ascii_uppercase());
    (
        if is_constant {
            0
        } else if is_class {
            1
        } else {
            2
        },
        name,
    )
}
