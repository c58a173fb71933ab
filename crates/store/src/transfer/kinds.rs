//! The threads of transfers: which there are, and how many.
//!
//! - `fetch`: a fixed number; each takes fetches from a queue and blocks on one stream. Ends with the daemon.
//! - `courier`: one; sends short notes, which must not wait behind a fetch. Ends with the daemon.
//! - `serve`: one for each connection of another node, at most so many; ends with its connection.
//!
//! None is joined: they end with their sockets or with the process, and hold nothing that outlives it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections of other nodes that are served at once; further ones are closed, and come again.
const MOST_SERVED: usize = 128;

/// Starts threads, and counts those that come and go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads {
    served: Arc<AtomicUsize>,
}

impl Threads {
    /// A thread that lives as long as the daemon.
    pub(crate) fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
    }

    /// A thread for a connection. When there are too many of them, `run` is dropped, and the connection with it.
    pub(crate) fn serve(&self, run: impl FnOnce() + Send + 'static) {
        let served = self.served.clone();
        if served.fetch_add(1, Ordering::Relaxed) >= MOST_SERVED {
            served.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let counted = Counted(served);
        let thread = std::thread::Builder::new().name("serve".to_owned());
        // Without a thread the connection is closed, and comes again.
        let _ = thread.spawn(move || {
            let _counted = counted;
            run();
        });
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
