//! What workers printed, as the driver gets it.

/// Lines that a worker printed.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// The worker's process id.
    pub pid: u32,
    /// What ran.
    pub name: String,
    /// Whether it was the error stream.
    pub is_stderr: bool,
    /// The lines.
    pub lines: Vec<String>,
    /// Lines that were dropped because too many came.
    pub dropped: u64,
}
