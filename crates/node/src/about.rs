//! What this daemon is, and where.

/// The version that drivers and other nodes must have too.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The machine's name; empty when the system does not say.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
