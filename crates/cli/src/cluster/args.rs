//! The words of the commands about nodes.

use crate::cluster::spill::SpillArgs;
use clap::{ArgGroup, Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the node is to be.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    group(ArgGroup::new("role").required(true).args(["head", "address"])),
    after_help = "Programs use the node with trygon.init() or trygon.init(address=\"auto\"); `trygon stop` ends it."
)]
pub(crate) struct Start {
    /// Be the head of a new cluster.
    #[arg(long)]
    pub(crate) head: bool,
    /// Join the cluster whose head is at HOST:PORT.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) address: Option<String>,
    /// Port at which other nodes reach this one; 0 for any [default: 6379 for a head, else 0].
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Address by which other nodes reach this one [default: that of the way out].
    #[arg(long, value_name = "IP")]
    pub(crate) node_ip_address: Option<std::net::IpAddr>,
    /// Where a head keeps what must outlive it: file:PATH, redis://HOST:PORT/DB, or memory: [default: a file of the session].
    #[arg(long, value_name = "PLACE", default_value = "", conflicts_with = "address")]
    pub(crate) storage: String,
    /// Folder for what must outlive a head's machine or daemon: the cluster's key and authority, and the journal unless --storage says
    /// otherwise. Starting a head with the same folder again goes on with the same cluster.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["address", "token_file"])]
    pub(crate) storage_dir: Option<PathBuf>,
    /// How long a node that has lost its head waits for it before it ends, in seconds; 0 for ever.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, conflicts_with = "head")]
    pub(crate) head_reconnect_timeout: u32,
    #[command(flatten)]
    pub(crate) node: NodeOptions,
    /// How long a node's certificate is valid, in seconds; all are renewed in time. A machine that is stolen is locked out after this at the
    /// latest [default: 7 days].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(5..), conflicts_with = "address")]
    pub(crate) certificate_lifetime: Option<u32>,
    /// Stay in the foreground; the node ends with this command (Ctrl-C).
    #[arg(long)]
    pub(crate) block: bool,
    /// Print what was started as one line of JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Stay in the foreground until the input ends; the node ends with this command.
    #[arg(long, hide = true)]
    pub(crate) until_input_ends: bool,
}

/// What a node has, and where its files are; the same for a head and for others.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct NodeOptions {
    /// Name of the node, for people [default: the machine's].
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// CPUs that tasks may use [default: those that this process may use].
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) num_cpus: Option<f64>,
    /// GPUs that tasks may use [default: those that this process may use].
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) num_gpus: Option<f64>,
    /// Further resources, as JSON: '{"disk": 2}'.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) resources: String,
    /// Labels of the node: 'zone=a,kind=fast', or JSON.
    #[arg(long, value_name = "LABELS", default_value = "")]
    pub(crate) labels: String,
    /// Memory that tasks may ask for, in bytes [default: what the objects leave].
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<u64>,
    /// Memory for objects, in bytes [default: 30 % of what is available].
    #[arg(long, value_name = "BYTES")]
    pub(crate) object_store_memory: Option<u64>,
    /// Folder of the session, for a node beside the one that was started first.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) temp_dir: Option<PathBuf>,
    /// File with the cluster's key [default: that of the session on this machine].
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Most processes of workers at once; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_workers: u32,
    #[command(flatten)]
    pub(crate) spill: SpillArgs,
    #[command(flatten)]
    pub(crate) rays: Rays,
}

/// What to run on how many machines.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    after_help = "The same line on every host, as `srun` runs it: the host that has the address becomes the head, runs the \
        command and ends with its exit code; the others join, and leave when it is done. The head writes the cluster's key to \
        the file that --token-file names, where the others read it; the default is a file in the home folder, so hosts \
        without a common home folder need another place.\n\n\
        For example: srun trygon symmetric-run --address \"$head:6379\" --min-nodes \"$SLURM_NNODES\" -- python program.py"
)]
pub(crate) struct SymmetricRun {
    /// Where the head is to be: one of these hosts, and a free port on it.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) address: String,
    /// Nodes to wait for before the command runs, the head among them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_nodes: u32,
    /// Seconds to wait for the head and for the other nodes.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) wait_s: u64,
    #[command(flatten)]
    pub(crate) node: NodeOptions,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Which session to speak with.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Where {
    /// The cluster's address, if it is not that of the node that was started here.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// The folder that was given to `trygon start`.
    #[arg(long, value_name = "FOLDER", conflicts_with = "address")]
    pub(crate) temp_dir: Option<PathBuf>,
}

/// Which node takes no new work from now on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Drain {
    /// The node: the beginning of its id, its name or its address, as `trygon status` shows them.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Why.
    #[arg(long, value_enum, default_value_t = DrainReason::Preemption)]
    pub(crate) reason: DrainReason,
    /// Words about it, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) message: String,
    /// Seconds after which the node ends whatever runs there, and before when nothing is left [default: it is not ended].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) deadline_s: Option<u64>,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Which node is stopped at once and kept out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Fence {
    /// The node: the beginning of its id, its name or its address, as `trygon status` shows them.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Words about it, for people.
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    pub(crate) message: String,
    /// Let it in again.
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Why a node is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrainReason {
    /// The machine is taken away.
    Preemption,
    /// Nothing needs it: refused while something does.
    IdleTermination,
}

/// What to explain.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Explain {
    /// The id of a task, an object, an actor, a placement group, a node or a job, or the beginning of one; the name of an actor, a group or a
    /// waiting task; or an error's code, as TRY0007.
    #[arg(value_name = "ID")]
    pub(crate) what: String,
    /// As JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// Options of Ray's command that ask for nothing here: they are accepted, and named once.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Rays {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) include_dashboard: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) dashboard_host: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) dashboard_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) object_manager_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) node_manager_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) min_worker_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) max_worker_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) worker_port_list: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) ray_client_server_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) metrics_export_port: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) plasma_directory: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) disable_usage_stats: bool,
    #[arg(long, hide = true)]
    pub(crate) no_monitor: bool,
    #[arg(long, hide = true)]
    pub(crate) no_redirect_output: bool,
}

impl Rays {
    /// The names of those that were given and have no effect.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let texts = [
            ("--dashboard-host", &self.dashboard_host),
            ("--dashboard-port", &self.dashboard_port),
            ("--object-manager-port", &self.object_manager_port),
            ("--node-manager-port", &self.node_manager_port),
            ("--min-worker-port", &self.min_worker_port),
            ("--max-worker-port", &self.max_worker_port),
            ("--worker-port-list", &self.worker_port_list),
            ("--ray-client-server-port", &self.ray_client_server_port),
            ("--metrics-export-port", &self.metrics_export_port),
            ("--plasma-directory", &self.plasma_directory),
        ];
        let mut names: Vec<&str> = texts.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
        if self.include_dashboard.as_ref().is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            names.push("--include-dashboard");
        }
        names
    }
}

/// Which node to stop, and how long to wait.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Stop {
    /// Every node of this user on this machine.
    #[arg(long)]
    pub(crate) all: bool,
    /// The folder that was given to `trygon start`.
    #[arg(long, value_name = "FOLDER", conflicts_with = "all")]
    pub(crate) temp_dir: Option<PathBuf>,
    /// Kill at once.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Seconds to wait before what is left is killed.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 16)]
    pub(crate) grace_period: u64,
}

/// Which node to ask.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Status {
    /// As JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: Where,
}

fn amount(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..1e6).contains(&amount) { Ok(amount) } else { Err("it must be between 0 and a million".to_owned()) }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        _ => Err("it must be a host and a port, as in 10.0.0.1:6379".to_owned()),
    }
}
