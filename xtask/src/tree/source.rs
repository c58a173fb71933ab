//! The data: a tree of packages, a package's sources, one source with its syntax and its test lines.

use std::ops::RangeInclusive;

use syn::spanned::Spanned;
use syn::visit::Visit;

/// Everything that the laws look at.
#[derive(Default)]
pub struct Tree {
    /// The workspace's packages.
    pub packages: Vec<Package>,
    /// Python files: the package, the end-to-end tests, examples and scripts.
    pub python: Vec<Source>,
    /// Text of the allowlist at the last commit, when there is one.
    pub committed_allow_list: Option<String>,
}

/// One crate.
#[derive(Default)]
pub struct Package {
    /// Package name.
    pub name: String,
    /// Folder relative to the root, without a closing slash.
    pub folder: String,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
    /// Text of its manifest.
    pub manifest: String,
    /// Its Rust files.
    pub sources: Vec<Source>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Clone, Default)]
pub struct Dependency {
    /// Package name of what is depended on.
    pub name: String,
    /// Whether it is a member of this workspace.
    pub is_member: bool,
    /// Whether only tests, examples and benches have it.
    pub is_dev: bool,
}

/// One file.
pub struct Source {
    /// Path relative to the root, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its syntax, for Rust files.
    pub syntax: Option<syn::File>,
    /// Whether all of it is test code.
    pub is_test: bool,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// A Rust file; the error says where it does not parse.
    pub fn rust(path: &str, text: &str) -> Result<Source, String> {
        let syntax = syn::parse_file(text)
            .map_err(|error| format!("{path}:{}: does not parse: {error}", error.span().start().line))?;
        let mut finder = TestLines::default();
        finder.visit_file(&syntax);
        Ok(Source {
            is_test: lies_among_tests(path),
            path: path.to_owned(),
            text: text.to_owned(),
            syntax: Some(syntax),
            test_lines: finder.ranges,
        })
    }

    /// A file of another language.
    pub fn plain(path: &str, text: &str) -> Source {
        Source {
            is_test: lies_among_tests(path),
            path: path.to_owned(),
            text: text.to_owned(),
            syntax: None,
            test_lines: Vec::new(),
        }
    }

    /// Whether a line (from 1) is test code.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.test_lines.iter().any(|range| range.contains(&line))
    }

    /// Modules that the file declares for tests only, such as `#[cfg(test)] mod tests;`.
    pub fn test_modules(&self) -> Vec<String> {
        let items = self.syntax.iter().flat_map(|file| &file.items);
        items
            .filter_map(|item| match item {
                syn::Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => {
                    Some(module.ident.to_string())
                }
                _ => None,
            })
            .collect()
    }
}

fn lies_among_tests(path: &str) -> bool {
    let mut parts = path.split('/');
    let file = parts.next_back().unwrap_or_default();
    file == "tests.rs"
        || file == "build.rs"
        || parts.any(|part| matches!(part, "tests" | "benches" | "examples" | "fuzz"))
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        // `not(test)` guards what is everything but a test.
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let words = list.tokens.to_string();
                !words.contains("not")
                    && words
                        .split(|letter: char| !letter.is_alphanumeric())
                        .any(|word| word == "test" || word == "loom")
            })
    })
}

#[derive(Default)]
struct TestLines {
    ranges: Vec<RangeInclusive<usize>>,
}

impl TestLines {
    fn note(&mut self, attributes: &[syn::Attribute], span: proc_macro2::Span) {
        if is_for_tests(attributes) {
            self.ranges.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.note(&module.attrs, module.span());
        syn::visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note(&function.attrs, function.span());
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note(&item.attrs, item.span());
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.note(&item.attrs, item.span());
        syn::visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.attrs, function.span());
    }
}
