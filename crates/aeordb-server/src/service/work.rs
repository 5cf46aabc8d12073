//! Long work: verification, collection, what is to be forgotten and what stays. Started, looked at,
//! cancelled.

use std::sync::Arc;

use aeordb::db::Policy;
use aeordb::monitor::Monitor;
use aeordb::{gc, space};
use aeordb_api::jobs::{Collection, Forget, Forgotten, Outcome, Verification, Verify};
use aeordb_api::retention::{self, Keep, Kept, Policies};
use jiff::tz::TimeZone;

use super::jobs::Job;
use super::problem::Problem;
use super::{Asker, Service};
use crate::keys::Scope;
use crate::service::verification;

impl Service {
    /// Verifies the database, or a part of it.
    pub fn verify(self: &Arc<Self>, asker: &Asker, asked: &Verify) -> Result<Arc<Job>, Problem> {
        let (deep, portion) = (asked.deep, asked.portion()?);
        self.start(asker, "verify", Scope::Read, move |service, monitor| {
            let report = verification::verify(service, deep, portion, monitor)?;
            Ok(Outcome::Verify(Verification::from(&report)))
        })
    }

    /// Measures what takes the space of the database.
    pub fn space(self: &Arc<Self>, asker: &Asker) -> Result<Arc<Job>, Problem> {
        self.start(asker, "space", Scope::Read, move |service, monitor| {
            Ok(Outcome::Space((&space::space(&service.database, monitor)?).into()))
        })
    }

    /// Gives back the space of what nothing reaches, or says how much it is.
    pub fn collect(self: &Arc<Self>, asker: &Asker, dry_run: bool) -> Result<Arc<Job>, Problem> {
        self.start(asker, "gc", Scope::Gc, move |service, monitor| {
            service.overlays.expire();
            let report =
                service.without_reader(|| gc::collect(&service.database, dry_run, monitor))?;
            Ok(Outcome::Collect(Collection::new(&report, dry_run)))
        })
    }

    /// Forgets versions, or what history says of them.
    pub fn forget(self: &Arc<Self>, asker: &Asker, forget: Forget) -> Result<Arc<Job>, Problem> {
        let nothing = forget.versions.is_empty() && !forget.history;
        if nothing || (forget.older.is_some() && !forget.history) {
            return Err(Problem::invalid(
                "expected versions, or history, which may be older than that",
            ));
        }
        self.start(asker, "forget", Scope::Admin, move |service, _| {
            let dry_run = forget.dry_run;
            let forgotten = service.database.forget(&forget.into(), dry_run)?;
            Ok(Outcome::Forget(Forgotten::new(&forgotten, dry_run)))
        })
    }

    /// Removes the snapshots that no policy keeps: that of the request, or else those of the database.
    pub fn keep(self: &Arc<Self>, asker: &Asker, keep: Keep) -> Result<Arc<Job>, Problem> {
        let Keep { policy, dry_run } = keep;
        let policies: Vec<Policy> = policy.map(Policy::from).into_iter().collect();
        policies.iter().try_for_each(|policy| policy.rules.check())?;
        self.start(asker, "keep", Scope::Snapshot, move |service, _| {
            let judged = service.database.keep(&policies, &TimeZone::system(), dry_run)?;
            Ok(Outcome::Keep(Kept::new(&judged, dry_run)))
        })
    }

    /// Starts a job, which begins with a look at the file.
    fn start(
        self: &Arc<Self>,
        asker: &Asker,
        kind: &'static str,
        scope: Scope,
        work: impl FnOnce(&Arc<Self>, &Monitor) -> Result<Outcome, Problem> + Send + 'static,
    ) -> Result<Arc<Job>, Problem> {
        let service = self.clone();
        self.jobs.start(kind, (&asker.key, scope), move |monitor| {
            service.look_at_file()?;
            work(&service, monitor)
        })
    }

    /// The jobs that somebody may look at, newest first.
    pub fn jobs(&self, asker: &Asker) -> Vec<Arc<Job>> {
        let mut jobs = self.jobs.list();
        jobs.retain(|job| may_look(asker, job).is_ok());
        jobs
    }

    /// The job of this number, for somebody who may look at it.
    pub fn job(&self, asker: &Asker, id: &str) -> Result<Arc<Job>, Problem> {
        let job = self.any_job(id)?;
        may_look(asker, &job)?;
        Ok(job)
    }

    /// Asks a job to stop, and gives it; forgets one that has ended.
    pub fn cancel(&self, asker: &Asker, id: &str) -> Result<Option<Arc<Job>>, Problem> {
        let job = self.any_job(id)?;
        // Whoever may collect cancels what keeps a collection waiting, whoever started a job that one.
        if job.key != asker.key {
            asker.need(Scope::Gc)?;
        }
        if self.jobs.forget(&job) {
            return Ok(None);
        }
        job.cancel();
        Ok(Some(job))
    }

    fn any_job(&self, id: &str) -> Result<Arc<Job>, Problem> {
        let job = id.parse().ok().and_then(|id| self.jobs.get(id));
        job.ok_or_else(|| Problem::not_found(format!("job {id}")))
    }

    /// The policies of the database.
    pub async fn policies(self: &Arc<Self>) -> Result<Policies, Problem> {
        self.blocking(|service| service.policies_now()).await
    }

    /// Sets a policy, and gives all.
    pub async fn set_policy(
        self: &Arc<Self>,
        policy: retention::Policy,
    ) -> Result<Policies, Problem> {
        self.writing(move |service| {
            service.database.set_policy(&policy.into())?;
            service.policies_now()
        })
        .await
    }

    /// Removes a policy, and gives those that are left.
    pub async fn remove_policy(
        self: &Arc<Self>,
        name: Option<String>,
    ) -> Result<Policies, Problem> {
        self.writing(move |service| {
            service.database.remove_policy(name.as_deref())?;
            service.policies_now()
        })
        .await
    }

    fn policies_now(&self) -> Result<Policies, Problem> {
        let policies = self.database.reader()?.policies()?;
        Ok(Policies { items: policies.into_iter().map(Into::into).collect() })
    }
}

/// What a verification found names paths: only who may read them sees it.
fn may_look(asker: &Asker, job: &Job) -> Result<(), Problem> {
    match asker.rights.has(Scope::Read) {
        true => Ok(()),
        false => asker.need(job.scope),
    }
}
