//! What the head says about jobs: one was accepted, began somewhere, or is over.

use crate::head_place::HeadPlace;
use crate::job::NewJob;
use crate::service::Service;
use crate::worker_pool::ZygoteConfig;
use std::collections::BTreeMap;
use trygon_ids::JobId;
use trygon_node_core::Event;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{EndJob, JobAccepted, JobEnded, StartJob};
use trygon_wire::Kind;
use trygon_wire::control::{AttachDriver, Death, NodeFailed};

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
        let zygotes = ZygoteConfig {
            python: message.python_executable,
            sys_path: message.sys_path,
            working_directory: message.working_directory,
            enters_directory: true,
            variables: marked(id, message.variables),
        };
        let job = NewJob {
            namespace: message.namespace,
            argv: message.argv,
            log_to_driver: message.log_to_driver,
            directory: String::new(),
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
            working_directory: attach.working_directory,
            enters_directory: true,
            variables: marked(id, attach.variables),
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

/// The variables of a job's processes, and the one that tells whose they are.
fn marked(id: JobId, variables: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
    if let Some((name, value)) = Service::job_mark(id).split_once('=') {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}
