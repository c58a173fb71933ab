//! The imports of a Python file, with what they name in full.

/// One imported module or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// `a.b` of `import a.b`, or `a.b.c` of `from a.b import c`.
    pub(crate) target: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Whether it stands inside a function.
    pub(crate) is_deferred: bool,
    /// Whether only type checkers execute it.
    pub(crate) is_for_types: bool,
}

/// All imports of a file; `module` is its dotted name.
pub(crate) fn imports(text: &str, module: &str, is_package: bool) -> Vec<Import> {
    let code = without_strings(text);
    let mut found = Vec::new();
    // Blocks that are open: how far they are indented, and what they are.
    let mut blocks: Vec<(usize, Block)> = Vec::new();
    let lines: Vec<&str> = code.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let indent = line.len() - words.len();
        blocks.retain(|(opened, _)| *opened < indent);
        let is_deferred = blocks.iter().any(|(_, block)| *block == Block::Function);
        let is_for_types = blocks.iter().any(|(_, block)| *block == Block::Types);
        for target in targets(words, &lines[index + 1..], module, is_package) {
            found.push(Import { target, line: index + 1, is_deferred, is_for_types });
        }
        if words.starts_with("def ") || words.starts_with("async def ") {
            blocks.push((indent, Block::Function));
        } else if words.starts_with("if TYPE_CHECKING") || words.starts_with("if typing.TYPE_CHECKING") {
            blocks.push((indent, Block::Types));
        }
    }
    found
}

#[derive(PartialEq, Eq)]
enum Block {
    Function,
    Types,
}

fn targets(words: &str, following: &[&str], module: &str, is_package: bool) -> Vec<String> {
    if let Some(list) = words.strip_prefix("import ") {
        return names(list);
    }
    let Some((from, list)) = words.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) else {
        return Vec::new();
    };
    let base = absolute(from.trim(), module, is_package);
    let mut list = list.to_owned();
    if list.contains('(') && !list.contains(')') {
        for line in following {
            list.push_str(line.split('#').next().unwrap_or_default());
            if line.contains(')') {
                break;
            }
        }
    }
    names(&list).into_iter().map(|name| format!("{base}.{name}")).collect()
}

fn names(list: &str) -> Vec<String> {
    let list = list.split(['#', ';']).next().unwrap_or_default();
    let bare = list.replace(['(', ')', '\\'], " ");
    bare.split(',').filter_map(|name| name.split_whitespace().next()).map(str::to_owned).collect()
}

fn absolute(from: &str, module: &str, is_package: bool) -> String {
    let dots = from.len() - from.trim_start_matches('.').len();
    if dots == 0 {
        return from.to_owned();
    }
    let up = if is_package { dots - 1 } else { dots };
    let parts: Vec<&str> = module.split('.').collect();
    let base = parts[..parts.len().saturating_sub(up)].join(".");
    let rest = &from[dots..];
    if rest.is_empty() { base } else { format!("{base}.{rest}") }
}

/// The text with the insides of triple-quoted strings blanked, line for line.
fn without_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, quote)) = next_quote(rest) {
        code.push_str(&rest[..start]);
        let inside = &rest[start + 3..];
        let end = inside.find(quote).unwrap_or(inside.len());
        code.extend(inside[..end].chars().filter(|letter| *letter == '\n'));
        rest = inside.get(end + 3..).unwrap_or_default();
    }
    code.push_str(rest);
    code
}

fn next_quote(text: &str) -> Option<(usize, &'static str)> {
    let double = text.find("\"\"\"").map(|at| (at, "\"\"\""));
    let single = text.find("'''").map(|at| (at, "'''"));
    [double, single].into_iter().flatten().min()
}
