//! What the head says about jobs: one was accepted, began somewhere, or is over.

use crate::head_place::HeadPlace;
use crate::job::NewJob;
use crate::service::Service;
use crate::worker_pool::{DIRECTORY_VARIABLE, DRIVER_ELSEWHERE_VARIABLE, ZygoteConfig};
use std::collections::BTreeMap;
use std::path::Path;
use trygon_ids::JobId;
use trygon_node_core::Event;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{EndJob, JobAccepted, JobEnded, StartJob};
use trygon_wire::Kind;
use trygon_wire::control::{AttachDriver, Death, NodeFailed};

/// Names the Python that the node was started with.
const PYTHON_VARIABLE: &str = "TRYGON_PYTHON";
/// Folder in the session's of those of its jobs.
const JOBS: &str = "jobs";

impl Service {
    /// The job of a driver that attached has its id.
    pub(crate) fn on_job_accepted(&mut self, message: &JobAccepted) {
        let number = message.request_id;
        if let HeadPlace::Remote(questions) = &mut self.head.place {
            questions.note_job(number);
        }
        let Ok(id) = JobId::from_bytes(&message.job_id) else {
            return;
        };
        if self.jobs.contains_key(&id) {
            return;
        }
        let attach = self.session.as_mut().and_then(|session| session.attaching.remove(&number));
        let (Some(attach), Some(driver)) = (attach, self.processes.get_mut(&number)) else {
            // It left meanwhile.
            let ended = EndJob { job_id: message.job_id.clone(), death: Some(Death::default()) };
            return self.tell_head(Body::EndJob(ended));
        };
        driver.job = id;
        let pid = driver.pid_number();
        self.log(&format!(
            "job {id} begins: process {pid}, `{}` in {}",
            attach.argv.join(" "),
            attach.working_directory
        ));
        let begun = self.begin_job(id, self.local_job(id, number, attach));
        if let Err(message) = begun {
            self.send(number, Kind::NodeFailed, &NodeFailed { message });
            return self.on_driver_left(number, true);
        }
        self.announce(number, id);
        self.keep_workers(id);
    }

    /// A job began somewhere: its work may come here.
    pub(crate) fn on_job_started(&mut self, message: StartJob) {
        let id = JobId::from_bytes(&message.job_id).unwrap_or(JobId::nil());
        if self.session.is_none() || id == JobId::nil() || self.jobs.contains_key(&id) {
            return;
        }
        let start = message.clone();
        let driver = crate::translate::worker_id(&message.driver_id);
        let directory = self.job_directory(id);
        let mut variables = marked(id, message.variables, &directory);
        variables.insert(DRIVER_ELSEWHERE_VARIABLE.to_owned(), "1".to_owned());
        let (python, is_other_python) = self.python_for(message.python_executable, &message.python_version);
        let zygotes = ZygoteConfig {
            python,
            is_other_python,
            sys_path: message.sys_path,
            enters: vec![message.working_directory.clone(), directory.clone()],
            working_directory: message.working_directory,
            variables,
        };
        let job = NewJob {
            namespace: message.namespace,
            argv: message.argv,
            log_to_driver: message.log_to_driver,
            directory,
            driver: None,
            remote_driver: Some(driver),
            start,
            zygotes,
            kept_workers: 0,
            environment_key: message.environment,
            description: Vec::new(),
        };
        self.add_job(id, job);
    }

    /// A job is over, but for detached actors if it lingers.
    pub(crate) fn on_job_ended(&mut self, message: &JobEnded) {
        let Ok(id) = JobId::from_bytes(&message.job_id) else {
            return;
        };
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.is_ending = true;
        let (environment, driver) = (job.environment, job.driver);
        if !message.lingers {
            return self.close_job(id);
        }
        self.node_step(Event::WorkersKept { environment, count: 0 });
        if let Some(driver) = driver {
            self.remove_driver(id, driver);
        }
    }

    /// The folder of a job whose driver is elsewhere; made when something is to be in it.
    fn job_directory(&self, id: JobId) -> String {
        let (user, process) = (rustix::process::geteuid().as_raw(), std::process::id());
        let folder = self.session.as_ref().map(|session| session.folder.join(JOBS)).unwrap_or_default();
        // Named like those that drivers make, so that what a crash leaves is swept in the same way.
        folder.join(format!("trygon-job-{user}-{process}-{}", id.hex())).to_string_lossy().into_owned()
    }

    /// The interpreter for a job whose driver is elsewhere, and whether it is another one: the driver's if it is on this machine too, else
    /// the node's own if it is of the same version.
    fn python_for(&self, drivers: String, version: &str) -> (String, bool) {
        let own = crate::options::text(PYTHON_VARIABLE);
        let own_version = self.session.as_ref().map_or("", |session| session.python_version.as_str());
        if own.is_empty() || !series(own_version).eq(series(version)) || Path::new(&drivers).is_file() {
            return (drivers, false);
        }
        (own, true)
    }

    fn local_job(&self, id: JobId, driver: u64, attach: AttachDriver) -> NewJob {
        let start = crate::attach::start_job(
            driver,
            self.node.worker_id(driver),
            self.processes.get(&driver).map_or(0, crate::process::Process::pid_number),
            &attach,
        );
        let zygotes = ZygoteConfig {
            python: attach.python_executable,
            sys_path: attach.sys_path,
            is_other_python: false,
            enters: vec![attach.working_directory.clone()],
            working_directory: attach.working_directory,
            variables: marked(id, attach.variables, &attach.job_directory),
        };
        NewJob {
            namespace: attach.namespace,
            argv: attach.argv,
            log_to_driver: attach.log_to_driver,
            directory: attach.job_directory,
            driver: Some(driver),
            remote_driver: None,
            start,
            zygotes,
            kept_workers: self.session.as_ref().map_or(0, |session| session.kept_workers),
            environment_key: attach.environment,
            description: attach.environment_description,
        }
    }
}

/// The numbers of a version that pickled functions depend on.
fn series(version: &str) -> impl Iterator<Item = &str> {
    version.split('.').take(2)
}

/// The variables of a job's processes, the one that tells whose they are, and where the job's files are on this node.
fn marked(
    id: JobId,
    variables: impl IntoIterator<Item = (String, String)>,
    directory: &str,
) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
    variables.insert(DIRECTORY_VARIABLE.to_owned(), directory.to_owned());
    if let Some((name, value)) = Service::job_mark(id).split_once('=') {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}
