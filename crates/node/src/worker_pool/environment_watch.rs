//! Environments, watched: prepared when they are wanted, refused when they cannot be made. The daemon never waits for either.

use crate::poller::Role;
use crate::service::Service;
use crate::worker_pool::zygote::{ZYGOTE, Zygote};
use rustix::process::{Pid, PidfdFlags};
use trygon_ids::{JobId, WorkerId};
use trygon_node_core::{EnvironmentId, Event};
use trygon_proto::v1::from_process::Request;
use trygon_wire::Kind;
use trygon_wire::control::{KeyValueReply, KeyValueRequest, PrepareEnvironment};

/// Where drivers and workers put the descriptions of environments, by their keys.
const NAMESPACE: &str = "trygon.runtime_env";
/// The key there of a job's folder begins so; the job's id follows, in hexadecimal.
const JOB_DIRECTORY: &str = "job_directory:";
/// An environment that failed is not tried again for so long: many tasks may ask for it at once.
const RETRY_AFTER_MS: u64 = 10_000;
/// Workers in a row that died before they were ready, after which their environment counts as failed.
const MAX_START_FAILURES: u32 = 3;

fn call(operation: &str, request_id: u64, key: Vec<u8>, value: Vec<u8>) -> KeyValueRequest {
    let (operation, namespace) = (operation.to_owned(), NAMESPACE.to_owned());
    KeyValueRequest { request_id, operation, namespace, key, value, overwrite: true }
}

impl Service {
    /// Puts the job's description where those of others are, and its folder where its workers look for it.
    pub(crate) fn note_job(&mut self, job: JobId, key: Vec<u8>, description: Vec<u8>, directory: &str) {
        let folder = directory.as_bytes().to_vec();
        let description = (!key.is_empty()).then_some((key, description));
        for (key, value) in description.into_iter().chain([(directory_key(job), folder)]) {
            let question = self.environments.next_question();
            self.ask_head(None, Request::KeyValue(call("put", question, key, value)));
        }
    }

    /// A job is over: nobody asks for its folder any more.
    pub(crate) fn forget_job_directory(&mut self, job: JobId) {
        let question = self.environments.next_question();
        self.ask_head(None, Request::KeyValue(call("delete", question, directory_key(job), Vec::new())));
    }

    /// A zygote asks for something that its environment needs: code that the job shipped. It may look at nothing else.
    pub(in crate::worker_pool) fn on_zygote_asks(&mut self, environment: EnvironmentId, asked: KeyValueRequest) {
        let number = self.environments.next_question();
        self.environments.questions.insert(number, (environment, asked.request_id));
        self.ask_head(None, Request::KeyValue(call("get", number, asked.key, Vec::new())));
    }

    /// Sees to it that an environment is prepared. The error says why it cannot be.
    pub(crate) fn want_environment(&mut self, environment: EnvironmentId) -> Result<(), String> {
        let now_ms = self.now_ms();
        let Some(entry) = self.environments.all.get_mut(&environment) else {
            return Err("nothing is known of the runtime environment".to_owned());
        };
        entry.used_ms = now_ms;
        if let Some((message, until_ms)) = &entry.failed {
            if now_ms < *until_ms {
                return Err(message.clone());
            }
            entry.failed = None;
            entry.start_failures = 0;
            if entry.prepared || entry.key.is_empty() {
                self.node_step(Event::EnvironmentReady { environment });
            }
        }
        if self.environments.all.get(&environment).is_some_and(|entry| entry.prepared || entry.key.is_empty()) {
            return Ok(());
        }
        self.ensure_zygote(environment)
    }

    /// Starts the zygote of an environment unless it runs.
    pub(crate) fn ensure_zygote(&mut self, environment: EnvironmentId) -> Result<(), String> {
        let (key, job) = match self.environments.all.get(&environment) {
            Some(entry) if entry.zygote.is_some() => return Ok(()),
            Some(entry) => (entry.key.clone(), entry.job),
            None => return Err("nothing is known of the runtime environment".to_owned()),
        };
        let Some(config) = self.jobs.get(&job).filter(|job| !job.is_closed).map(|job| &job.zygotes) else {
            return Err("the job has ended".to_owned());
        };
        let is_plain = key.is_empty();
        config.make_place();
        let zygote = Zygote::start(config, environment, is_plain, &self.poller, &self.shield).map_err(|error| {
            format!("{} cannot be started on node {}: {error}", config.python, self.identity.address)
        })?;
        if let Some(entry) = self.environments.all.get_mut(&environment) {
            entry.zygote = Some(zygote);
        }
        if !is_plain {
            self.ask_head(None, Request::KeyValue(call("get", environment as u64, key, Vec::new())));
        }
        Ok(())
    }

    /// The head's answer to a question of the node itself: the description of an environment whose zygote waits for it, or what that
    /// zygote asked for then.
    pub(crate) fn on_environment_description(&mut self, reply: KeyValueReply) {
        if let Some((environment, request_id)) = self.environments.questions.remove(&reply.request_id) {
            if let Some(zygote) = self.environments.zygote(environment) {
                let reply = KeyValueReply { request_id, ..reply };
                zygote.connection.send(Kind::KeyValueReply, &reply, Vec::new());
                self.flush_zygote(environment);
            }
            return;
        }
        let Ok(environment) = EnvironmentId::try_from(reply.request_id) else {
            return;
        };
        if !reply.existed {
            let message = "the description of the runtime environment is not known to the cluster".to_owned();
            return self.fail_environment(environment, message);
        }
        if let Some(zygote) = self.environments.zygote(environment) {
            let message = PrepareEnvironment { description: reply.value };
            zygote.connection.send(Kind::PrepareEnvironment, &message, Vec::new());
            self.flush_zygote(environment);
        }
    }

    /// Ends the zygote that was not used for longest if there are too many. What it was asked for before it reads the end of its socket
    /// is still done; it is started again when another worker is needed.
    pub(crate) fn end_surplus_zygote(&mut self) {
        let usual = self.jobs.values().map(|job| job.environment).collect();
        let surplus = self.environments.surplus(&usual);
        let entry = surplus.and_then(|surplus| self.environments.all.get_mut(&surplus));
        let Some(Zygote { child, .. }) = entry.and_then(|entry| entry.zygote.take()) else {
            return;
        };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let ended = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(ended) = ended.filter(|ended| self.poller.add(ended, ZYGOTE - 1, Role::Ended).is_ok()) {
            self.environments.leaving.push((child, ended));
        }
    }

    /// A zygote that was told to end has.
    pub(crate) fn on_zygote_left(&mut self) {
        self.environments.leaving.retain_mut(|(child, _)| matches!(child.try_wait(), Ok(None)));
    }

    /// An environment cannot be made: whatever waits for it is told why.
    pub(crate) fn fail_environment(&mut self, environment: EnvironmentId, message: String) {
        let until_ms = self.now_ms() + RETRY_AFTER_MS;
        if let Some(entry) = self.environments.all.get_mut(&environment) {
            entry.failed = Some((message.clone(), until_ms));
        }
        self.node_step(Event::EnvironmentFailed { environment, message });
    }

    /// A worker became ready: what failed before it does not count any more.
    pub(crate) fn note_worker_started(&mut self, worker: WorkerId) {
        if let Some(entry) = self.environments.all.get_mut(&self.node.environment_of(worker)) {
            entry.start_failures = 0;
        }
    }

    /// A worker died before it was ready. In an environment of somebody's own making that is not tried for ever.
    pub(crate) fn note_failed_start(&mut self, worker: WorkerId, message: &str) {
        let environment = self.node.environment_of(worker);
        if self.environments.is_plain(environment) || !self.node.is_starting(worker) {
            return;
        }
        let Some(entry) = self.environments.all.get_mut(&environment) else {
            return;
        };
        // While the zygote prepares or is gone, the worker was not even forked.
        if !entry.zygote.as_ref().is_some_and(|zygote| zygote.ready) {
            return;
        }
        entry.start_failures += 1;
        if entry.start_failures >= MAX_START_FAILURES {
            let message =
                format!("{MAX_START_FAILURES} workers in a row died before they were ready; the last: {message}");
            self.fail_environment(environment, message);
        }
    }
}

fn directory_key(job: JobId) -> Vec<u8> {
    format!("{JOB_DIRECTORY}{}", job.hex()).into_bytes()
}
