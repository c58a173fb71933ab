//! Which module of a crate uses which, and the circles in that.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{NamedPath, Package, module_path, named_paths};

/// How many re-exports are followed before giving up: a chain of them is short in a sane crate.
const LONGEST_CHAIN: usize = 8;

struct Module {
    /// Name that a re-export gives → the path from the crate's root that it stands for.
    reexports: BTreeMap<String, Vec<String>>,
    /// Modules from which everything is re-exported.
    globs: Vec<Vec<String>>,
    defined: BTreeSet<String>,
    paths: Vec<NamedPath>,
}

type Modules = BTreeMap<Vec<String>, Module>;

/// Modules that use one another in a circle.
pub(crate) struct Knot {
    /// Their names, sorted.
    pub(crate) members: Vec<String>,
    /// Who uses whom among them, as `a → b`.
    pub(crate) uses: Vec<String>,
}

/// The circles of modules in a crate.
pub(crate) fn knots(package: &Package) -> Vec<Knot> {
    let modules = modules_of(package);
    let edges: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = modules
        .iter()
        .map(|(own, module)| {
            let used = module.paths.iter().filter_map(|path| target(own, path, &modules));
            (own, used.filter(|used| *used != own).collect())
        })
        .collect();
    let mut search = Search { edges: &edges, marks: BTreeMap::new(), open: Vec::new(), knots: Vec::new() };
    for module in modules.keys() {
        search.visit(module);
    }
    let described = search.knots.iter().map(|knot| describe(knot, &edges));
    described.collect()
}

fn describe(knot: &[&Vec<String>], edges: &BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>>) -> Knot {
    let mut members: Vec<String> = knot.iter().map(|module| written(module)).collect();
    members.sort();
    let uses_of = |module: &Vec<String>| {
        let inside = edges.get(module).into_iter().flatten().filter(|used| knot.contains(*used));
        inside.map(|used| format!("{} → {}", written(module), written(used))).collect::<Vec<_>>()
    };
    Knot { members, uses: knot.iter().flat_map(|module| uses_of(module)).collect() }
}

fn modules_of(package: &Package) -> Modules {
    let mut modules = Modules::new();
    let has_library = package.sources.iter().any(|source| source.path.ends_with("/src/lib.rs"));
    for source in package.sources.iter().filter(|source| !source.is_test) {
        // A program's root beside a library is a crate of its own.
        if has_library && source.path.ends_with("/src/main.rs") {
            continue;
        }
        let (Some(own), Some(syntax)) = (module_path(&package.folder, &source.path), &source.syntax) else {
            continue;
        };
        let outside_tests = named_paths(source).into_iter().filter(|path| !source.is_test_line(path.line));
        let (reexported, paths): (Vec<_>, Vec<_>) = outside_tests.partition(|path| path.is_reexport);
        let defined = syntax.items.iter().filter_map(name_of).collect();
        modules.insert(own, Module { reexports: BTreeMap::new(), globs: Vec::new(), defined, paths });
        let own = module_path(&package.folder, &source.path).unwrap_or_default();
        if let Some(module) = modules.get_mut(&own) {
            for path in reexported {
                let Some(whole) = from_root(&own, &path.segments, &module.defined) else {
                    continue;
                };
                if path.known_as == "*" {
                    module.globs.push(whole[..whole.len() - 1].to_vec());
                } else {
                    module.reexports.insert(path.known_as, whole);
                }
            }
        }
    }
    modules
}

fn name_of(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Mod(item) => &item.ident,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// A path as seen from the crate's root, or none when it leads out of the crate.
fn from_root(own: &[String], segments: &[String], defined: &BTreeSet<String>) -> Option<Vec<String>> {
    let first = segments.first()?;
    match first.as_str() {
        "crate" => Some(segments[1..].to_vec()),
        "self" => Some([own, &segments[1..]].concat()),
        "super" => Some([&own[..own.len().checked_sub(1)?], &segments[1..]].concat()),
        _ if defined.contains(first) => Some([own, segments].concat()),
        _ => None,
    }
}

fn target<'modules>(own: &[String], path: &NamedPath, modules: &'modules Modules) -> Option<&'modules Vec<String>> {
    let defined = &modules.get(own)?.defined;
    let mut whole = from_root(own, &path.segments, defined)?;
    for _ in 0..LONGEST_CHAIN {
        let (key, module) = (0..=whole.len()).rev().find_map(|length| modules.get_key_value(&whole[..length]))?;
        let Some(item) = whole.get(key.len()) else {
            return Some(key);
        };
        let onwards = match module.reexports.get(item) {
            Some(onwards) => onwards.clone(),
            None if module.defined.contains(item) || item == "*" => return Some(key),
            None => {
                let holds = |glob: &&Vec<String>| modules.get(*glob).is_some_and(|found| found.defined.contains(item));
                let Some(glob) = module.globs.iter().find(holds) else {
                    return Some(key);
                };
                [glob.as_slice(), std::slice::from_ref(item)].concat()
            }
        };
        whole = [onwards.as_slice(), &whole[key.len() + 1..]].concat();
    }
    None
}

/// Tarjan's search for strongly connected components.
struct Search<'graph> {
    edges: &'graph BTreeMap<&'graph Vec<String>, BTreeSet<&'graph Vec<String>>>,
    /// Order of discovery, and the earliest module that can be reached back.
    marks: BTreeMap<&'graph Vec<String>, (usize, usize)>,
    open: Vec<&'graph Vec<String>>,
    knots: Vec<Vec<&'graph Vec<String>>>,
}

impl<'graph> Search<'graph> {
    fn visit(&mut self, module: &'graph Vec<String>) -> usize {
        if let Some((_, reached)) = self.marks.get(module) {
            return if self.open.contains(&module) { *reached } else { usize::MAX };
        }
        let order = self.marks.len();
        self.marks.insert(module, (order, order));
        self.open.push(module);
        let mut reached = order;
        for next in self.edges.get(module).into_iter().flatten() {
            reached = reached.min(self.visit(next));
        }
        self.marks.insert(module, (order, reached));
        if reached == order {
            let start = self.open.iter().position(|open| *open == module).unwrap_or_default();
            let knot = self.open.split_off(start);
            if knot.len() > 1 {
                self.knots.push(knot);
            }
        }
        reached
    }
}

fn written(path: &[String]) -> String {
    if path.is_empty() { "crate".to_owned() } else { path.join("::") }
}
