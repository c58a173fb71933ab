//! A door for the fuzz targets: the kernel's texts.

/// The parent in a line of `/proc/<pid>/stat`.
pub fn parent_in(stat: &str) -> Option<i32> {
    crate::tree::parent_in(stat)
}
