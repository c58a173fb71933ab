//! Files of objects in a bucket of S3, or of what speaks its protocol: the places that are no folders (`trygon_store::spill::Storage`).
//!
//! ```text
//! s3://BUCKET/PREFIX/trygon-spill-<random>/
//!     alive                                 who writes here, put anew every few minutes as long as the daemon lives
//!     <number>.objects                      one upload each, of several parts where it is large
//! ```
//!
//! Requests and their signatures are the crate `object_store`'s; connections are made here (`link`, `http`), with the TLS that the cluster
//! uses, and a limit on how long one may stand still. The daemon's threads for files wait for what runs in one thread of their own (`kinds`).
#![forbid(unsafe_code)]

mod address;
mod alive;
mod bucket;
mod download;
mod failure;
mod http;
mod identity;
mod kinds;
mod leftovers;
mod link;
mod pace;
mod shared;
mod upload;

pub use address::is_remote;
pub use bucket::open;
pub use shared::Limits;
