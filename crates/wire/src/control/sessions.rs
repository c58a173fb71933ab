//! A daemon that outlives its drivers: how it is told what to be, and the first frame of everybody who connects to its socket.

use crate::control::SpillConfig;
use crate::messages::messages;
use std::collections::BTreeMap;

messages! {
    /// First frame to a daemon that is to stay: what its node is to be. Answer: `NodeStarted` or `NodeFailed`, then the socket is closed.
    StartDaemon {
        /// Version of the package, compared with the daemon's.
        #[prost(string, tag = "1")] package_version: String,
        /// Version of the interpreter that the package is installed in; drivers must have the same but for the last number.
        #[prost(string, tag = "2")] python_version: String,
        /// The session's folder, made by the asker; nobody else can look into it.
        #[prost(string, tag = "3")] session_directory: String,
        /// Name of the node, for people.
        #[prost(string, tag = "4")] name: String,
        /// The head to join, `host:port`; empty for a head.
        #[prost(string, tag = "5")] head_address: String,
        /// The address by which other nodes reach this one.
        #[prost(string, tag = "6")] ip: String,
        /// The port to listen at; 0 for any.
        #[prost(uint32, tag = "7")] port: u32,
        /// The file with the cluster's key.
        #[prost(string, tag = "8")] key_file: String,
        /// Resources of the node: CPU, GPU, memory and custom ones.
        #[prost(btree_map = "string, double", tag = "9")] resources: BTreeMap<String, f64>,
        /// Labels of the node.
        #[prost(btree_map = "string, string", tag = "10")] labels: BTreeMap<String, String>,
        /// Limit of the object store in bytes.
        #[prost(uint64, tag = "11")] object_store_memory_bytes: u64,
        /// How many workers to fork ahead for each job.
        #[prost(uint32, tag = "12")] prestart_workers: u32,
        /// Most processes of workers at once; 0 means no cap.
        #[prost(uint32, tag = "13")] max_workers: u32,
        /// Idle time after which a worker above the prestarted number is ended, in milliseconds.
        #[prost(uint32, tag = "14")] idle_worker_ms: u32,
        /// The cluster's key itself, where it is in no file.
        #[prost(string, tag = "15")] key_text: String,
        /// Where a head's control service keeps its journal; empty for a file in the session's folder.
        #[prost(string, tag = "16")] storage: String,
        /// How long the certificates of nodes are valid, in seconds; 0 for the usual time.
        #[prost(uint32, tag = "17")] certificate_lifetime_s: u32,
        /// How long a node that has lost its head waits for it before it ends, in seconds; 0 for ever.
        #[prost(uint32, tag = "18")] head_patience_s: u32,
        /// How objects are written to files.
        #[prost(message, optional, tag = "48")] spill: Option<SpillConfig>,
    }
    /// First frame of a driver to a daemon that runs: its job. Answer: `NodeStarted` or `NodeFailed`.
    AttachDriver {
        /// Version of the package, compared with the daemon's.
        #[prost(string, tag = "1")] package_version: String,
        /// The interpreter's version, compared with the daemon's but for the last number.
        #[prost(string, tag = "2")] python_version: String,
        /// The real interpreter (no shim).
        #[prost(string, tag = "3")] python_executable: String,
        /// The driver's module search path, for the zygotes.
        #[prost(string, repeated, tag = "4")] sys_path: Vec<String>,
        /// Where the driver runs; workers begin there.
        #[prost(string, tag = "5")] working_directory: String,
        /// Namespace of the driver's named actors.
        #[prost(string, tag = "6")] namespace: String,
        /// Whether lines that workers print go to the driver.
        #[prost(bool, tag = "7")] log_to_driver: bool,
        /// The driver's process id, as it sees itself.
        #[prost(uint32, tag = "8")] driver_pid: u32,
        /// The driver's `sys.argv`.
        #[prost(string, repeated, tag = "9")] argv: Vec<String>,
        /// Key of the job's runtime environment; empty for the plain one.
        #[prost(bytes = "vec", tag = "10")] environment: Vec<u8>,
        /// Description of the job's runtime environment, for whoever prepares it; opaque to the daemon.
        #[prost(bytes = "vec", tag = "11")] environment_description: Vec<u8>,
        /// Folder of the job's files, which the daemon removes when the job is over; empty when there is none.
        #[prost(string, tag = "12")] job_directory: String,
        /// Settings that the driver's workers are to inherit as environment variables.
        #[prost(btree_map = "string, string", tag = "13")] variables: BTreeMap<String, String>,
        /// The job's weight where several share a node; 0 for the usual one, 1.
        #[prost(double, tag = "14")] weight: f64,
    }
    /// First frame of a command of a person to a daemon that runs. It may ask `StateQuery` and say `Shutdown`.
    AttachTool {
        /// Version of the package, for messages.
        #[prost(string, tag = "1")] package_version: String,
        /// The daemon ends when this connection does.
        #[prost(bool, tag = "2")] is_life_line: bool,
    }
}
