//! The workspace as the laws see it: crates, their sources, and the Python files, all as text in memory.

mod load;
mod module_path;
mod paths;
mod source;

pub use load::{load, root};
pub use module_path::{children_folder, module_path};
pub use paths::{NamedPath, named_paths, use_paths};
pub use source::{Dependency, Package, Source, Tree};
