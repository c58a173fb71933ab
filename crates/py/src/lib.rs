//! `trygon._native`: the engine as Python sees it. One-line functions over `trygon-worker`; values cross in `codec`, errors in `errors`.

mod actors;
mod arguments;
mod async_actor;
mod buffers;
mod cancel;
mod codec;
mod completions;
mod encoded;
mod errors;
mod fetch;
mod fetch_ahead;
mod functions;
mod generator;
mod gil;
mod groups;
mod hooks;
mod lifecycle;
mod objects;
mod outgoing;
mod placement;
mod process;
mod produce;
mod queries;
mod reference;
mod replier;
mod session;
mod thread_actor;
mod waiting;
mod worker;
mod worker_call;
mod zygote;

use pyo3::prelude::*;

/// The extension module.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::actors::{ActorMethodHandle, actor_state, create_actor, get_named_actor, kill_actor};
    #[pymodule_export]
    use crate::buffers::{PinnedBuffer, StoreBuffer, create_in_store};
    #[pymodule_export]
    use crate::cancel::{cancel, is_canceled, renew_interrupt, take_interrupt};
    #[pymodule_export]
    use crate::completions::CompletionQueue;
    #[pymodule_export]
    use crate::fetch::{get, wait};
    #[pymodule_export]
    use crate::functions::RemoteFunctionHandle;
    #[pymodule_export]
    use crate::generator::ObjectRefGenerator;
    #[pymodule_export]
    use crate::hooks::set_hooks;
    #[pymodule_export]
    use crate::lifecycle::{after_fork, attach, is_initialized, set_inline, shutdown, start};
    #[pymodule_export]
    use crate::objects::put;
    #[pymodule_export]
    use crate::placement::{
        create_placement_group, placement_group_ready, remove_placement_group, wait_placement_group,
    };
    #[pymodule_export]
    use crate::queries::{context, key_value, object_stats, query_state, take_log_lines, wait_for_log_lines};
    #[pymodule_export]
    use crate::reference::{ObjectRef, rebuild_reference};
    #[pymodule_export]
    use crate::worker::worker_main;
    #[pymodule_export]
    use crate::zygote::{
        zygote_look_up, zygote_mark_worker, zygote_receive, zygote_receive_environment, zygote_send_forked,
        zygote_send_ready, zygote_send_report,
    };
}
