//! Where connections of other nodes come in.

use crate::transfer::events::Reporter;
use crate::transfer::kinds::Threads;
use crate::transfer::serve;
use crate::transfer::stream::Stream;
use std::io;

/// Gives connections of other nodes to the store; may be used by any thread.
#[derive(Debug, Clone)]
pub struct TransferHandle {
    pub(crate) threads: Threads,
    pub(crate) reporter: Reporter,
}

impl TransferHandle {
    /// A connection that the node with this number made, authenticated, for the purpose `object`. It is served until it closes.
    pub fn accept(&self, stream: Box<dyn Stream>, node: u32) {
        self.accept_by(move || Ok((stream, node)));
    }

    /// As `accept`; the stream is made in the thread that serves it, because that takes the other side's answers.
    pub fn accept_by(&self, make: impl FnOnce() -> io::Result<(Box<dyn Stream>, u32)> + Send + 'static) {
        serve::begin(&self.threads, &self.reporter, make);
    }
}
