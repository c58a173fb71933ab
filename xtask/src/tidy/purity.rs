//! Law 2: crates that decide do no I/O, read no clock, draw no randomness, and never walk a hash map.
//!
//! A hash map's order differs from run to run, so walking one would make the same seed give another trace.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use syn::visit::Visit;

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::{Package, Source, Tree, named_paths};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "purity", says: "deciding crates touch no I/O, clock or chance and walk no hash map", check };

const WALKS: [&str; 12] = [
    "iter",
    "iter_mut",
    "keys",
    "values",
    "values_mut",
    "drain",
    "into_iter",
    "into_keys",
    "into_values",
    "retain",
    "extract_if",
    "difference",
];

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &tree.packages {
        let tier = settings.crates.get(&package.name).map(|rule| &rule.tier);
        if tier.is_some_and(|tier| settings.purity.tiers.contains(tier)) {
            check_dependencies(package, settings, &mut found);
            check_paths(package, settings, &mut found);
            check_walks(package, &mut found);
        }
    }
    found
}

fn check_dependencies(package: &Package, settings: &Settings, found: &mut Vec<Finding>) {
    let foreign = package.dependencies.iter().filter(|dependency| !dependency.is_member && !dependency.is_dev);
    for dependency in foreign.filter(|dependency| !settings.purity.externals.contains(&dependency.name)) {
        found.push(Finding {
            law: LAW.name,
            path: format!("{}/Cargo.toml", package.folder),
            item: dependency.name.clone(),
            message: format!("a deciding crate may not depend on {}", dependency.name),
            ..Finding::default()
        });
    }
}

fn check_paths(package: &Package, settings: &Settings, found: &mut Vec<Finding>) {
    for source in package.sources.iter().filter(|source| !source.is_test) {
        for path in named_paths(source).iter().filter(|path| !source.is_test_line(path.line)) {
            if let Some(pattern) = settings.purity.paths.iter().find(|pattern| path.holds(pattern)) {
                found.push(at(source, path.line, pattern, format!("a deciding crate may not name {}", path.text())));
            }
        }
    }
}

fn check_walks(package: &Package, found: &mut Vec<Finding>) {
    let mut names = HashNames::default();
    for syntax in package.sources.iter().filter_map(|source| source.syntax.as_ref()) {
        names.visit_file(syntax);
    }
    for source in package.sources.iter().filter(|source| !source.is_test) {
        let mut walks = Walks { names: &names.names, found: Vec::new() };
        if let Some(syntax) = &source.syntax {
            walks.visit_file(syntax);
        }
        for (line, name) in walks.found.into_iter().filter(|(line, _)| !source.is_test_line(*line)) {
            let message = format!("{name} is a hash map and is walked: its order differs from run to run");
            found.push(at(source, line, &name, message));
        }
    }
}

fn at(source: &Source, line: usize, item: &str, message: String) -> Finding {
    Finding { law: LAW.name, path: source.path.clone(), line, item: item.to_owned(), message, amount: 0 }
}

/// Names of fields and variables whose written type is a hash map or set.
#[derive(Default)]
struct HashNames {
    names: BTreeSet<String>,
}

fn is_hashed(kind: &syn::Type) -> bool {
    let syn::Type::Path(path) = kind else {
        return false;
    };
    path.path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.ends_with("HashMap") || name.ends_with("HashSet")
    })
}

impl<'ast> Visit<'ast> for HashNames {
    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = field.ident.as_ref().filter(|_| is_hashed(&field.ty)) {
            self.names.insert(name.to_string());
        }
    }

    fn visit_pat_type(&mut self, typed: &'ast syn::PatType) {
        if let syn::Pat::Ident(name) = typed.pat.as_ref()
            && is_hashed(&typed.ty)
        {
            self.names.insert(name.ident.to_string());
        }
    }
}

struct Walks<'names> {
    names: &'names BTreeSet<String>,
    found: Vec<(usize, String)>,
}

impl Walks<'_> {
    fn note(&mut self, expression: &syn::Expr) {
        let (name, line) = match expression {
            syn::Expr::Field(field) => match &field.member {
                syn::Member::Named(name) => (name.to_string(), name.span().start().line),
                syn::Member::Unnamed(_) => return,
            },
            syn::Expr::Path(path) => match path.path.get_ident() {
                Some(name) => (name.to_string(), name.span().start().line),
                None => return,
            },
            syn::Expr::Reference(reference) => return self.note(&reference.expr),
            syn::Expr::Paren(inner) => return self.note(&inner.expr),
            _ => return,
        };
        if self.names.contains(&name) {
            self.found.push((line, name));
        }
    }
}

impl<'ast> Visit<'ast> for Walks<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if WALKS.contains(&call.method.to_string().as_str()) {
            self.note(&call.receiver);
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_for_loop(&mut self, walk: &'ast syn::ExprForLoop) {
        self.note(&walk.expr);
        syn::visit::visit_expr_for_loop(self, walk);
    }
}
