//! Memory that does not grow with everything that ever was.

mod recent;
mod registry;

pub use recent::Recent;
pub use registry::Registry;
