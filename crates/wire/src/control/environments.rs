//! Runtime environments: what a zygote prepares before it is warm.

use crate::messages::messages;

messages! {
    /// To a zygote, first: the environment to prepare. Answers: `EnvironmentReport`s, then `ZygoteReady` or the end of the stream.
    PrepareEnvironment {
        /// What its workers are to find; written by the driver or worker that asked for it, opaque to the daemon.
        #[prost(bytes = "vec", tag = "1")] description: Vec<u8>,
    }
    /// How the preparation goes.
    EnvironmentReport {
        /// For people: what takes long, or why it cannot be made.
        #[prost(string, tag = "1")] message: String,
        /// It cannot be made; the zygote ends.
        #[prost(bool, tag = "2")] failed: bool,
    }
}
