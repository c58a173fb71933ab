//! What the background thread does, as other threads see it.

/// What the background thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Looks every millisecond.
    Ticking,
    /// Sleeps until a socket, or a thread, needs it.
    Sleeping,
    /// Ends.
    Stopping,
}
