//! Object bytes between machines: threads that block on streams, from a source's mapping to a socket and from a socket into the copy's
//! mapping. What is fetched and who may have it is decided in the daemon's loop (`server::transfers`, `store_core::pulls`), which these
//! threads ask by events.
//!
//! A fetch is cut into spans, a span into chunks. Each span is asked for by itself, on any of the fetch's streams, so that a slow stream does
//! not hold the others up; each chunk that is here can be sent on at once. After a span's last byte the source says whether it still
//! has the object: memory that was freed meanwhile may have been written anew, and such bytes must not become a copy (STORE-1). What is known of
//! the spans belongs to the room and not to the fetch: when a fetch fails, the next one brings only what is missing.

mod connections;
mod courier;
mod events;
mod fetch;
mod fetcher;
mod frames;
mod handle;
mod kinds;
mod progress;
mod serve;
mod serve_file;
mod stream;

pub(crate) use connections::Connections;
pub(crate) use courier::Courier;
pub(crate) use events::{Asked, Event, Events, Reads, Served};
pub(crate) use fetch::FetchJob;
pub(crate) use fetcher::Fetcher;
pub(crate) use frames::Request;
pub use handle::TransferHandle;
pub(crate) use kinds::Threads;
pub(crate) use progress::Progress;
pub use stream::{Dial, Over, Stream};
