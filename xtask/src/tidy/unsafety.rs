//! Law 6: `unsafe` stands in few named files, each with its reason, and every other crate forbids it.

#[cfg(test)]
mod tests;

use proc_macro2::{TokenStream, TokenTree};

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::{Package, Source, Tree};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "unsafety", says: "`unsafe` only in named files and with `SAFETY:`; forbidden elsewhere", check };

/// How far above an `unsafe` its reason may end: a statement broken over lines may lie between.
const REASON_WITHIN_LINES: usize = 8;

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &tree.packages {
        for source in &package.sources {
            check_source(source, settings, &mut found);
        }
        check_roots(package, settings, &mut found);
    }
    found
}

fn check_source(source: &Source, settings: &Settings, found: &mut Vec<Finding>) {
    let mut lines = Vec::new();
    if let Ok(tokens) = source.text.parse::<TokenStream>() {
        collect(tokens, &mut lines);
    }
    let allowed = settings.unsafety.allowed.iter().any(|prefix| source.path.starts_with(prefix));
    let text: Vec<&str> = source.text.lines().collect();
    for line in lines {
        let before = &text[line.saturating_sub(REASON_WITHIN_LINES + 1)..line];
        let has_reason = before.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
        let message = match (allowed, has_reason) {
            (true, true) => continue,
            (false, _) => "`unsafe` may not stand here: layers.toml names the files that may hold it",
            (true, false) => "`unsafe` without a `SAFETY:` comment that says why it holds",
        };
        let (law, path) = (LAW.name, source.path.clone());
        found.push(Finding { law, path, line, message: message.to_owned(), ..Finding::default() });
    }
}

fn collect(tokens: TokenStream, lines: &mut Vec<usize>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => collect(group.stream(), lines),
            TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
            _ => {}
        }
    }
}

fn check_roots(package: &Package, settings: &Settings, found: &mut Vec<Finding>) {
    let folder = format!("{}/", package.folder);
    if settings.unsafety.allowed.iter().any(|prefix| prefix.starts_with(&folder)) {
        return;
    }
    let is_root = |source: &&Source| source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs");
    for source in package.sources.iter().filter(is_root) {
        if !source.text.contains("#![forbid(unsafe_code)]") {
            found.push(Finding {
                law: LAW.name,
                path: source.path.clone(),
                line: 1,
                item: "forbid".to_owned(),
                message: "the crate's root lacks `#![forbid(unsafe_code)]`".to_owned(),
                amount: 0,
            });
        }
    }
}
