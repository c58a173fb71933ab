//! Every path that a Rust file names: its `use` trees spelled out, and `a::b::c` wherever it stands, macros included.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::tree::source::Source;

/// A path and where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// Its segments; a glob import ends with `*`.
    pub segments: Vec<String>,
    /// The name under which a `use` brings it in.
    pub known_as: String,
    /// Line, from 1.
    pub line: usize,
    /// Whether it is a `use` that others can use too.
    pub is_reexport: bool,
    /// Whether it is a `use`.
    pub is_use: bool,
}

impl NamedPath {
    /// Whether the path holds `pattern` (`a::b`) as consecutive segments.
    pub fn holds(&self, pattern: &str) -> bool {
        let wanted: Vec<&str> = pattern.split("::").collect();
        self.segments.windows(wanted.len()).any(|window| window.iter().eq(wanted.iter()))
    }

    /// The path as it is written.
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// All paths of a file, `use` declarations and the rest.
pub fn named_paths(source: &Source) -> Vec<NamedPath> {
    let mut found = use_paths(source);
    if let Ok(tokens) = source.text.parse::<TokenStream>() {
        walk(tokens, &mut found);
    }
    found
}

/// The paths that a file's `use` declarations bring in.
pub fn use_paths(source: &Source) -> Vec<NamedPath> {
    let mut finder = Uses::default();
    if let Some(syntax) = &source.syntax {
        finder.visit_file(syntax);
    }
    finder.found
}

#[derive(Default)]
struct Uses {
    found: Vec<NamedPath>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        flatten(&item.tree, &mut Vec::new(), is_reexport, &mut self.found);
    }
}

fn flatten(tree: &syn::UseTree, before: &mut Vec<String>, is_reexport: bool, found: &mut Vec<NamedPath>) {
    let mut end = |last: String, known_as: String, line: usize, before: &[String]| {
        let mut segments = before.to_vec();
        if last != "self" {
            segments.push(last);
        }
        found.push(NamedPath { segments, known_as, line, is_reexport, is_use: true });
    };
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, is_reexport, found);
            before.pop();
        }
        syn::UseTree::Name(name) => {
            let word = name.ident.to_string();
            let known_as = if word == "self" { before.last().cloned().unwrap_or_default() } else { word.clone() };
            end(word, known_as, name.ident.span().start().line, before);
        }
        syn::UseTree::Rename(rename) => {
            end(rename.ident.to_string(), rename.rename.to_string(), rename.ident.span().start().line, before);
        }
        syn::UseTree::Glob(glob) => end("*".to_owned(), "*".to_owned(), glob.span().start().line, before),
        syn::UseTree::Group(group) => {
            for inner in &group.items {
                flatten(inner, before, is_reexport, found);
            }
        }
    }
}

fn walk(tokens: TokenStream, found: &mut Vec<NamedPath>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Group(group) => walk(group.stream(), found),
            // A `use` declaration was spelled out before; `use<..>` in a bound names lifetimes.
            TokenTree::Ident(word) if word == "use" && !is_punct(trees.get(at + 1), '<') => {
                while at < trees.len() && !is_punct(trees.get(at), ';') {
                    at += 1;
                }
            }
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                let mut segments = vec![word.to_string()];
                while is_joint_colon(trees.get(at + 1)) && is_punct(trees.get(at + 2), ':') {
                    let Some(TokenTree::Ident(next)) = trees.get(at + 3) else {
                        break;
                    };
                    segments.push(next.to_string());
                    at += 3;
                }
                if segments.len() > 1 {
                    let known_as = segments.last().cloned().unwrap_or_default();
                    found.push(NamedPath { segments, known_as, line, is_reexport: false, is_use: false });
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn is_punct(tree: Option<&TokenTree>, letter: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == letter)
}

fn is_joint_colon(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
}
