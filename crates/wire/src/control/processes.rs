//! Starting, connecting, leasing; creating actors.

use crate::control::{Certificate, SpillConfig};
use crate::messages::messages;
use std::collections::BTreeMap;

messages! {
    /// First frame of a driver to the daemon it started: what the node is to be. Answer: `NodeStarted` or `NodeFailed`.
    StartNode {
        /// Version of the package, compared with the daemon's.
        #[prost(string, tag = "1")] package_version: String,
        /// The interpreter's version, for messages.
        #[prost(string, tag = "2")] python_version: String,
        /// The real interpreter (no shim).
        #[prost(string, tag = "3")] python_executable: String,
        /// The driver's module search path, for the zygote.
        #[prost(string, repeated, tag = "4")] sys_path: Vec<String>,
        /// Resources of the node: CPU, GPU, memory and custom ones.
        #[prost(btree_map = "string, double", tag = "5")] resources: BTreeMap<String, f64>,
        /// Limit of the object store in bytes.
        #[prost(uint64, tag = "6")] object_store_memory_bytes: u64,
        /// Namespace of the driver's named actors.
        #[prost(string, tag = "7")] namespace: String,
        /// Whether lines that workers print go to the driver.
        #[prost(bool, tag = "8")] log_to_driver: bool,
        /// How many workers to fork ahead.
        #[prost(uint32, tag = "9")] prestart_workers: u32,
        /// The driver's process id.
        #[prost(uint32, tag = "10")] driver_pid: u32,
        /// The driver's `sys.argv`.
        #[prost(string, repeated, tag = "11")] argv: Vec<String>,
        /// Driver's script directory or empty.
        #[prost(string, tag = "12")] working_directory: String,
        /// Idle time after which a worker above the prestarted number is ended, in milliseconds.
        #[prost(uint32, tag = "13")] idle_worker_ms: u32,
        /// Most processes of workers at once; 0 means no cap.
        #[prost(uint32, tag = "14")] max_workers: u32,
        /// Key of the job's runtime environment; empty for the plain one.
        #[prost(bytes = "vec", tag = "20")] environment: Vec<u8>,
        /// Description of the job's runtime environment, for whoever prepares it; opaque to the daemon.
        #[prost(bytes = "vec", tag = "21")] environment_description: Vec<u8>,
        /// Folder of the job's files, which the daemon removes at the end; empty when there is none.
        #[prost(string, tag = "22")] job_directory: String,
        /// Labels of the node.
        #[prost(btree_map = "string, string", tag = "30")] labels: BTreeMap<String, String>,
        /// How objects are written to files.
        #[prost(message, optional, tag = "48")] spill: Option<SpillConfig>,
    }
    /// The node runs.
    NodeStarted {
        /// The node.
        #[prost(bytes = "vec", tag = "1")] node_id: Vec<u8>,
        /// The driver's job.
        #[prost(bytes = "vec", tag = "2")] job_id: Vec<u8>,
        /// The driver's own id.
        #[prost(bytes = "vec", tag = "3")] worker_id: Vec<u8>,
        /// The driver's incarnation as an owner, 12 bytes.
        #[prost(bytes = "vec", tag = "4")] incarnation: Vec<u8>,
        /// What the node has.
        #[prost(btree_map = "string, double", tag = "5")] resources: BTreeMap<String, f64>,
        /// The node's address, for people.
        #[prost(string, tag = "6")] node_address: String,
        /// The daemon's process id.
        #[prost(uint32, tag = "7")] daemon_pid: u32,
        /// Version of the daemon.
        #[prost(string, tag = "8")] package_version: String,
        /// Number of the node in its cluster; 0 where there is no cluster. Segments' numbers begin with it.
        #[prost(uint32, tag = "30")] node_number: u32,
        /// What the driver proves with who it is towards other machines; none on one machine.
        #[prost(message, optional, tag = "40")] certificate: Option<Certificate>,
    }
    /// A newer certificate for the process: connections that are made from then on use it.
    CertificateRenewed {
        /// With its key.
        #[prost(message, optional, tag = "1")] certificate: Option<Certificate>,
    }
    /// The node cannot run; the daemon exits.
    NodeFailed {
        /// What happened and what to do.
        #[prost(string, tag = "1")] message: String,
    }
    /// First frame to a new worker, with the descriptor of its flight recorder.
    WorkerSetup {
        /// The worker.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Its incarnation as an owner, 12 bytes.
        #[prost(bytes = "vec", tag = "2")] incarnation: Vec<u8>,
        /// The job it works for.
        #[prost(bytes = "vec", tag = "3")] job_id: Vec<u8>,
        /// The node.
        #[prost(bytes = "vec", tag = "4")] node_id: Vec<u8>,
        /// The job's namespace.
        #[prost(string, tag = "5")] namespace: String,
        /// The node's address, for people.
        #[prost(string, tag = "6")] node_address: String,
        /// The driver's `sys.argv`.
        #[prost(string, repeated, tag = "7")] argv: Vec<String>,
        /// Logical CPUs of the node, for sizing thread pools.
        #[prost(double, tag = "8")] num_cpus: f64,
        /// Key of the runtime environment that it runs in; empty for the plain one.
        #[prost(bytes = "vec", tag = "20")] environment: Vec<u8>,
        /// Number of the node in its cluster; 0 where there is no cluster. Segments' numbers begin with it.
        #[prost(uint32, tag = "30")] node_number: u32,
        /// What it proves with who it is towards other machines; none on one machine.
        #[prost(message, optional, tag = "40")] certificate: Option<Certificate>,
    }
    /// The worker can take leases.
    WorkerReady {
        /// Its process id.
        #[prost(uint32, tag = "1")] pid: u32,
    }
    /// Asks for `count` leases of one scheduling class. Grants come one by one, until cancelled.
    LeaseRequest {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// What one lease holds while it lives.
        #[prost(btree_map = "string, double", tag = "2")] resources: BTreeMap<String, f64>,
        /// How many leases are wanted.
        #[prost(uint32, tag = "3")] count: u32,
        /// How deep the tasks are nested; deeper work is served first when something blocks.
        #[prost(uint32, tag = "4")] depth: u32,
        /// A function's name, for messages.
        #[prost(string, tag = "5")] name: String,
        /// Key of the runtime environment that the worker must have; its description was put under it before. Empty for the plain one.
        #[prost(bytes = "vec", tag = "15")] environment: Vec<u8>,
    }
    /// Grants that did not come yet are not wanted any more.
    LeaseCancel {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
    }
    /// A lease is given back.
    LeaseReturn {
        /// The lease.
        #[prost(uint64, tag = "1")] lease_id: u64,
        /// The worker said that it will exit (`max_calls`), or its connection broke.
        #[prost(bool, tag = "2")] worker_exiting: bool,
    }
    /// The worker waits in `get` or `wait`: its CPUs may be lent out.
    Blocked {
        /// Depth of the task that waits.
        #[prost(uint32, tag = "1")] depth: u32,
    }
    /// The worker began to own objects that others may refer to, or owns none any more.
    WorkerOwns {
        /// Whether it owns some.
        #[prost(bool, tag = "1")] owns: bool,
    }
    /// The worker goes on.
    Unblocked {}
    /// Asks to be connected with another process of the job. Answer: `PeerConnected` (at once if connected) or `PeerDied`.
    ConnectPeer {
        /// The other one.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
    }
    /// The connection with another machine's process broke, or no TLS came about on it. The daemon answers with `PeerDied` when it knows more.
    PeerLost {
        /// The other process.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Number of the connection.
        #[prost(uint64, tag = "2")] connection: u64,
        /// What happened, one sentence for people.
        #[prost(string, tag = "3")] reason: String,
    }
    /// A task that this worker runs is cancelled with force: it was told to end itself. Where it cannot, because it is stopped, its daemon
    /// ends it.
    CancelForced {
        /// The worker that runs the task.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
    }
    /// A connection with another process: a descriptor lies beside it, unless `already` is set.
    PeerConnected {
        /// The other process.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Its incarnation, 12 bytes.
        #[prost(bytes = "vec", tag = "2")] incarnation: Vec<u8>,
        /// Number of the connection, the same on both sides, never 0.
        #[prost(uint64, tag = "3")] connection: u64,
        /// The two were connected before; no descriptor.
        #[prost(bool, tag = "4")] already: bool,
        /// What is to be spoken on it: `TLS_NONE`, or TLS from its next byte on as `TLS_CLIENT` or `TLS_SERVER`.
        #[prost(uint32, tag = "5")] tls: u32,
        /// The other one's job, which its certificate names with its id; empty when it is this process's own.
        #[prost(bytes = "vec", tag = "6")] job_id: Vec<u8>,
    }
    /// Exactly one cause of a process's death.
    Death {
        /// `signal`, `exit`, `user_exit`, `killed`, `out_of_memory`, `node`, `idle`, `out_of_scope`, `constructor`, `unknown`;
        /// `connection`: it may live, but the connection with it is lost, and may be asked for again.
        #[prost(string, tag = "1")] kind: String,
        /// The signal, or 0.
        #[prost(int32, tag = "2")] signal: i32,
        /// The exit code, or 0.
        #[prost(int32, tag = "3")] exit_code: i32,
        /// One sentence for people.
        #[prost(string, tag = "4")] message: String,
        /// Process id.
        #[prost(uint32, tag = "5")] pid: u32,
    }
    /// A process that was connected, or is asked for, is dead. What its flight recorder kept for this peer lies beside it.
    PeerDied {
        /// The dead one.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Why.
        #[prost(message, optional, tag = "2")] death: Option<Death>,
        /// Whether a task of this peer was started and not finished.
        #[prost(bool, tag = "3")] started: bool,
        /// Its slot.
        #[prost(uint32, tag = "4")] slot: u32,
        /// Its generation.
        #[prost(uint32, tag = "5")] generation: u32,
        /// Its attempt.
        #[prost(uint32, tag = "6")] attempt: u32,
        /// Frames that were written for this peer and may not have arrived.
        #[prost(bytes = "vec", repeated, tag = "7")] frames: Vec<Vec<u8>>,
        /// What it had begun is not known: its record is lost with its machine, or cannot be asked for. Any task that was sent may have run.
        #[prost(bool, tag = "8")] unrecorded: bool,
    }
    /// A lease is granted; the worker is connected (its `PeerConnected` came before).
    LeaseGranted {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The lease, unique in the node's life.
        #[prost(uint64, tag = "2")] lease_id: u64,
        /// The worker.
        #[prost(bytes = "vec", tag = "3")] worker_id: Vec<u8>,
        /// Device instances held, for each accelerator resource (`GPU`): indices.
        #[prost(message, repeated, tag = "4")] devices: Vec<Devices>,
    }
    /// Instances of one accelerator.
    Devices {
        /// The resource's name.
        #[prost(string, tag = "1")] resource: String,
        /// Indices.
        #[prost(uint32, repeated, tag = "2")] indices: Vec<u32>,
    }
    /// A lease request cannot be met now, nor by what runs (infeasible): it waits.
    LeaseWaits {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Why, for people.
        #[prost(string, tag = "2")] message: String,
        /// Every process that is allowed waits for others: without help this waits for ever.
        #[prost(bool, tag = "3")] cap_reached: bool,
    }
    /// A lease request will never be met: it is forgotten.
    LeaseRefused {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Why, in a word: `placement_group_removed`, `unschedulable`, `runtime_env_failed`.
        #[prost(string, tag = "2")] kind: String,
        /// Why, for people.
        #[prost(string, tag = "3")] message: String,
    }
    /// Creates an actor. Answer: `CreateActorReply`; what becomes of it comes as `ActorUpdate`.
    CreateActor {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The actor.
        #[prost(bytes = "vec", tag = "2")] actor_id: Vec<u8>,
        /// Its pickled class, put with `FunctionPut` before.
        #[prost(bytes = "vec", tag = "3")] class_hash: Vec<u8>,
        /// The class's name.
        #[prost(string, tag = "4")] class_name: String,
        /// The actor's name, or empty.
        #[prost(string, tag = "5")] name: String,
        /// Namespace of the name.
        #[prost(string, tag = "6")] namespace: String,
        /// What is needed to place it.
        #[prost(btree_map = "string, double", tag = "7")] placement_resources: BTreeMap<String, f64>,
        /// What it holds while it lives.
        #[prost(btree_map = "string, double", tag = "8")] lifetime_resources: BTreeMap<String, f64>,
        /// Restarts allowed; -1 for any number.
        #[prost(int64, tag = "9")] max_restarts: i64,
        /// Dependencies and arguments of the constructor, in the form of a task's.
        #[prost(bytes = "vec", tag = "10")] arguments: Vec<u8>,
        /// What a handle needs to know, opaque to the engine.
        #[prost(bytes = "vec", tag = "11")] handle_meta: Vec<u8>,
        /// With a name that exists: answer with the existing actor.
        #[prost(bool, tag = "12")] get_if_exists: bool,
        /// Opaque options for the worker (`max_concurrency` and the like).
        #[prost(bytes = "vec", tag = "13")] options: Vec<u8>,
        /// Nesting depth of the creator.
        #[prost(uint32, tag = "14")] depth: u32,
        /// Lives on when its creator ends.
        #[prost(bool, tag = "15")] detached: bool,
        /// Key of the runtime environment that its worker must have; empty for the plain one.
        #[prost(bytes = "vec", tag = "20")] environment: Vec<u8>,
    }
    /// Whether the actor was registered.
    CreateActorReply {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The name is taken by this living actor (its id), if it is.
        #[prost(bytes = "vec", tag = "2")] existing_actor_id: Vec<u8>,
        /// The existing actor's handle data.
        #[prost(bytes = "vec", tag = "3")] existing_handle_meta: Vec<u8>,
        /// The existing actor's class.
        #[prost(string, tag = "4")] existing_class_name: String,
        /// Why it was refused, or empty.
        #[prost(string, tag = "5")] error: String,
        /// Why nothing was changed: the head's disk is full. Or empty.
        #[prost(string, tag = "6")] out_of_disk: String,
    }
}
