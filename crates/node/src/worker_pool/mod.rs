//! Worker processes: the zygote they are forked from, and what each is given.

mod environment_watch;
mod environments;
mod guard;
mod orphans;
mod pre_exec;
mod reap;
mod shield;
mod spawn;
mod stop_watch;
mod stopped;
mod zygote;
mod zygote_watch;

pub(crate) use environments::Environments;
pub(crate) use guard::go_below_guard;
pub(crate) use orphans::ORPHANS;
pub(crate) use pre_exec::inherited_socket;
pub(crate) use shield::Shield;
pub(crate) use stop_watch::StopWatch;
pub(crate) use zygote::{DIRECTORY_VARIABLE, DRIVER_ELSEWHERE_VARIABLE, WORKER_MARK, ZYGOTE, ZygoteConfig};
