//! Reads the tree from disk: members from `cargo metadata`, sources and Python files from their folders.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::tree::module_path::children_folder;
use crate::tree::source::{Dependency, Package, Source, Tree};

/// Folders that hold Python files of ours.
const PYTHON_FOLDERS: [&str; 5] = ["python", "tests", "examples", "scripts", "bench"];
/// Folders that are built, fetched or vendored.
const SKIPPED: [&str; 6] = ["target", ".cache", "__pycache__", ".git", "node_modules", "corpus"];

/// The workspace's root folder: the parent of this crate's.
pub fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    own.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

/// Reads everything; the error says what could not be read.
pub fn load(root: &Path) -> Result<Tree, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut packages = Vec::new();
    for package in metadata.packages {
        packages.push(load_package(root, package)?);
    }
    let mut python = Vec::new();
    for folder in PYTHON_FOLDERS {
        for path in files_below(&root.join(folder), "py") {
            python.push(Source::plain(&relative(root, &path), &read(&path)?));
        }
    }
    Ok(Tree { packages, python, committed_allow_list: committed(root, "xtask/allow.toml") })
}

fn load_package(root: &Path, package: MetadataPackage) -> Result<Package, String> {
    let folder = package.manifest_path.parent().unwrap_or(root).to_path_buf();
    let mut sources = Vec::new();
    for path in files_below(&folder, "rs") {
        sources.push(Source::rust(&relative(root, &path), &read(&path)?)?);
    }
    mark_test_modules(&mut sources);
    let dependencies = package.dependencies.into_iter().map(|dependency| Dependency {
        is_member: dependency.path.is_some(),
        is_dev: dependency.kind.as_deref() == Some("dev"),
        name: dependency.name,
    });
    Ok(Package {
        name: package.name,
        folder: relative(root, &folder),
        dependencies: dependencies.collect(),
        manifest: read(&package.manifest_path)?,
        sources,
    })
}

/// Files behind `#[cfg(test)] mod name;` are tests, whatever they are called.
fn mark_test_modules(sources: &mut [Source]) {
    let mut prefixes = Vec::new();
    for source in sources.iter() {
        let folder = children_folder(&source.path);
        prefixes.extend(source.test_modules().into_iter().map(|module| format!("{folder}/{module}")));
    }
    for source in sources {
        let stem = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        source.is_test |= prefixes.iter().any(|prefix| stem == prefix || stem.starts_with(&format!("{prefix}/")));
    }
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                found.extend(files_below(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn committed(root: &Path, path: &str) -> Option<String> {
    let output = Command::new("git").args(["show", &format!("HEAD:{path}")]).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
