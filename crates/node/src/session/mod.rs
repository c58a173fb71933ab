//! A session: a daemon that stays, its folder, its socket and its log.

mod end;
pub mod folder;
mod log;
mod state;

pub(crate) use log::{append, stamped, time_text};
pub(crate) use state::{Arriving, LISTENER, Role, Session};
