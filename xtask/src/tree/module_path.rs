//! From a file's place to its module's path, and to the folder where its children lie.

/// Module path of a file under `src`: `lib.rs` is the empty path, `a/b.rs` is `[a, b]`. None for files outside `src`
/// and for binaries' roots beside a library.
pub fn module_path(package_folder: &str, path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix(package_folder)?.strip_prefix("/src/")?.strip_suffix(".rs")?;
    if inside == "lib" || inside == "main" {
        return Some(Vec::new());
    }
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    if inside.starts_with("bin/") {
        return None;
    }
    Some(inside.split('/').map(str::to_owned).collect())
}

/// The folder in which a file's child modules lie.
pub fn children_folder(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    for root in ["lib", "main", "mod"] {
        if let Some(folder) = stem.strip_suffix(root).and_then(|folder| folder.strip_suffix('/')) {
            return folder.to_owned();
        }
    }
    stem.to_owned()
}
