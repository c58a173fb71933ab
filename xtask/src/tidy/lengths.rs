//! Law 3: files, functions and library roots stay short enough to be read at one sitting.

#[cfg(test)]
mod tests;

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::settings::Settings;
use crate::tidy::{Finding, Law};
use crate::tree::{Source, Tree};

/// The law.
pub(crate) const LAW: Law =
    Law { name: "lengths", says: "files, functions and lib.rs keep to the lengths in layers.toml", check };

fn check(tree: &Tree, settings: &Settings) -> Vec<Finding> {
    let limits = &settings.lengths;
    let mut found = Vec::new();
    let rust = tree.packages.iter().flat_map(|package| &package.sources);
    for source in rust.chain(&tree.python) {
        let lines = source.text.lines().count();
        let limit = if source.path.ends_with("src/lib.rs") { limits.lib_lines } else { limits.file_lines };
        if lines > limit {
            found.push(finding(source, 0, "", lines, format!("{lines} lines, {limit} are allowed")));
        }
        let mut functions = Functions::default();
        if let Some(syntax) = &source.syntax {
            functions.visit_file(syntax);
        }
        for (name, line, lines) in functions.found {
            if lines > limits.function_lines {
                let message = format!("`{name}` has {lines} lines, {} are allowed", limits.function_lines);
                found.push(finding(source, line, &name, lines, message));
            }
        }
    }
    found
}

fn finding(source: &Source, line: usize, item: &str, amount: usize, message: String) -> Finding {
    Finding { law: LAW.name, path: source.path.clone(), line, item: item.to_owned(), amount, message }
}

#[derive(Default)]
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        self.found.push((signature.ident.to_string(), first, block.span().end().line + 1 - first));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.note(&function.sig, block);
        }
    }
}
