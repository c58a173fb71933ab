//! An actor's life, and functions.

use crate::messages::messages;
use std::collections::BTreeMap;

messages! {
    /// Runs a constructor: this worker is now this actor. Answer: `ActorStarted`.
    StartActor {
        /// The actor.
        #[prost(bytes = "vec", tag = "1")] actor_id: Vec<u8>,
        /// Which life of it, from 0.
        #[prost(uint32, tag = "2")] incarnation: u32,
        /// Its pickled class.
        #[prost(bytes = "vec", tag = "3")] class_hash: Vec<u8>,
        /// The class's name.
        #[prost(string, tag = "4")] class_name: String,
        /// The actor's name, or empty.
        #[prost(string, tag = "5")] name: String,
        /// Namespace of the name.
        #[prost(string, tag = "6")] namespace: String,
        /// Arguments of the constructor.
        #[prost(bytes = "vec", tag = "7")] arguments: Vec<u8>,
        /// Opaque options.
        #[prost(bytes = "vec", tag = "8")] options: Vec<u8>,
        /// Device instances held.
        #[prost(message, repeated, tag = "9")] devices: Vec<crate::control::Devices>,
        /// What it holds.
        #[prost(btree_map = "string, double", tag = "10")] resources: BTreeMap<String, f64>,
        /// The body of the class, if the daemon has it.
        #[prost(bytes = "vec", tag = "11")] class_body: Vec<u8>,
        /// Nesting depth of the creator.
        #[prost(uint32, tag = "12")] depth: u32,
        /// What a handle needs to know.
        #[prost(bytes = "vec", tag = "13")] handle_meta: Vec<u8>,
    }
    /// The constructor is done.
    ActorStarted {
        /// The actor.
        #[prost(bytes = "vec", tag = "1")] actor_id: Vec<u8>,
        /// Which life.
        #[prost(uint32, tag = "2")] incarnation: u32,
        /// The encoded error if the constructor raised, else empty.
        #[prost(bytes = "vec", tag = "3")] error: Vec<u8>,
    }
    /// Asks for updates about an actor. The current state comes at once.
    WatchActor {
        /// The actor.
        #[prost(bytes = "vec", tag = "1")] actor_id: Vec<u8>,
    }
    /// The state of a watched actor. When `alive`, its `PeerConnected` came before.
    ActorUpdate {
        /// The actor.
        #[prost(bytes = "vec", tag = "1")] actor_id: Vec<u8>,
        /// `pending`, `alive`, `restarting` or `dead`.
        #[prost(string, tag = "2")] state: String,
        /// Which life.
        #[prost(uint32, tag = "3")] incarnation: u32,
        /// Its worker when alive.
        #[prost(bytes = "vec", tag = "4")] worker_id: Vec<u8>,
        /// Why it is dead or restarts.
        #[prost(message, optional, tag = "5")] death: Option<crate::control::Death>,
        /// The encoded error of its constructor, or empty.
        #[prost(bytes = "vec", tag = "6")] error: Vec<u8>,
        /// The class's name.
        #[prost(string, tag = "7")] class_name: String,
        /// The actor's name, or empty.
        #[prost(string, tag = "8")] name: String,
    }
    /// Ends an actor.
    KillActor {
        /// The actor.
        #[prost(bytes = "vec", tag = "1")] actor_id: Vec<u8>,
        /// False: counts as a crash, it may restart.
        #[prost(bool, tag = "2")] no_restart: bool,
        /// The last handle is gone: let it finish its queue.
        #[prost(bool, tag = "3")] out_of_scope: bool,
    }
    /// Looks up a named actor. Answer: `NamedActor`.
    GetNamedActor {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The name.
        #[prost(string, tag = "2")] name: String,
        /// The namespace.
        #[prost(string, tag = "3")] namespace: String,
    }
    /// A named actor, if there is one.
    NamedActor {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The actor, or empty.
        #[prost(bytes = "vec", tag = "2")] actor_id: Vec<u8>,
        /// The class's name.
        #[prost(string, tag = "3")] class_name: String,
        /// What a handle needs to know.
        #[prost(bytes = "vec", tag = "4")] handle_meta: Vec<u8>,
    }
    /// Gives the control service a copy of a function or class.
    FunctionPut {
        /// SHA-256 of the body.
        #[prost(bytes = "vec", tag = "1")] hash: Vec<u8>,
        /// The pickle; never unpickled by the daemon.
        #[prost(bytes = "vec", tag = "2")] body: Vec<u8>,
    }
    /// Asks for a function. Answer: `FunctionReply`.
    FunctionGet {
        /// SHA-256 of the body.
        #[prost(bytes = "vec", tag = "1")] hash: Vec<u8>,
    }
    /// A function's body.
    FunctionReply {
        /// SHA-256 of the body.
        #[prost(bytes = "vec", tag = "1")] hash: Vec<u8>,
        /// The pickle, empty when not known.
        #[prost(bytes = "vec", tag = "2")] body: Vec<u8>,
    }
}
