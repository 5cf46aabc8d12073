//! Long work that a client starts and looks at now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aeordb::watch::Watch;
use aeordb_api::Time;
use aeordb_api::jobs::{self as api, Outcome, Progress, State};
use aeordb_api::problem::Problem as Told;

use crate::app::App;
use crate::keys::Scope;
use crate::problem::Problem;

/// Jobs of one kind that run at once: no verification keeps a collection waiting.
const RUNNING_MAX: usize = 2;
/// Jobs that are remembered.
const KEPT_MAX: usize = 100;

/// One piece of long work.
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What it takes to start one such, and to look at this one.
    pub scope: Scope,
    /// The public id of the key that started it.
    pub key: String,
    kind: &'static str,
    started: i64,
    watch: Watch,
    end: Mutex<Option<End>>,
}

/// How a job ended.
struct End {
    state: State,
    time: i64,
    result: Option<Outcome>,
    problem: Option<Told>,
}

/// The jobs of a server.
#[derive(Default)]
pub struct Jobs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The number of the newest job: none is given twice, whatever was forgotten.
    last: u64,
    jobs: BTreeMap<u64, Arc<Job>>,
}

impl Jobs {
    /// Starts `work` for `key`, as any with `scope` may, on a thread of its own.
    pub fn start(
        &self,
        app: &Arc<App>,
        kind: &'static str,
        (key, scope): (&str, Scope),
        work: impl FnOnce(&Arc<App>, &Watch) -> Result<Outcome, Problem> + Send + 'static,
    ) -> Result<Arc<Job>, Problem> {
        let job = {
            let mut kept = self.kept();
            let Kept { last, jobs } = &mut *kept;
            let same = jobs.values().filter(|job| job.kind == kind && job.is_running());
            if same.count() >= RUNNING_MAX {
                let detail = "as many jobs of this kind as the server runs at once are under way";
                return Err(Problem::busy(detail));
            }
            while jobs.len() >= KEPT_MAX {
                let done = jobs.iter().find(|(_, job)| !job.is_running()).map(|(id, _)| *id);
                let Some(done) = done else { break };
                jobs.remove(&done);
            }
            *last += 1;
            let (id, watch, started) = (*last, Watch::new(), app.database.clock().now());
            let (key, end) = (key.to_owned(), Mutex::default());
            let job = Arc::new(Job { id, scope, key, kind, started, watch, end });
            jobs.insert(id, job.clone());
            job
        };
        let (app, running) = (app.clone(), job.clone());
        tokio::task::spawn_blocking(move || {
            // Whatever happens to the work, the job ends.
            let _ended = Ended(&running, &app);
            let done = work(&app, &running.watch);
            running.finish(app.database.clock().now(), done);
        });
        Ok(job)
    }

    /// The job of this number.
    pub fn get(&self, id: u64) -> Option<Arc<Job>> {
        self.kept().jobs.get(&id).cloned()
    }

    /// All jobs that are remembered, newest first.
    pub fn list(&self) -> Vec<Arc<Job>> {
        self.kept().jobs.values().rev().cloned().collect()
    }

    /// Forgets a job that has ended; false if it still runs.
    pub fn forget(&self, job: &Job) -> bool {
        let ended = !job.is_running();
        if ended {
            self.kept().jobs.remove(&job.id);
        }
        ended
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all of them.
    pub fn cancel_all(&self) {
        self.list().iter().for_each(|job| job.cancel());
    }
}

struct Ended<'a>(&'a Job, &'a App);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if self.0.is_running() {
            let died = Err(Problem::internal("a job ended without a result"));
            self.0.finish(self.1.database.clock().now(), died);
        }
    }
}

impl Job {
    fn finish(&self, time: i64, done: Result<Outcome, Problem>) {
        let (state, result, problem) = match done {
            Ok(result) => (State::Done, Some(result), None),
            Err(_) if self.watch.check().is_err() => (State::Cancelled, None, None),
            Err(problem) => (State::Failed, None, Some(problem.document())),
        };
        let end = End { state, time, result, problem };
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// True until it has ended.
    pub fn is_running(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Asks it to stop at its next safe point.
    pub fn cancel(&self) {
        self.watch.cancel();
    }

    /// How far it is.
    pub fn shown(&self) -> api::Job {
        let progress = Progress::from(&self.watch.progress());
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let end = end.as_ref();
        api::Job {
            id: self.id.to_string(),
            kind: self.kind.into(),
            state: end.map_or(State::Running, |end| end.state),
            started_at: Time(self.started),
            ended_at: end.map(|end| Time(end.time)),
            progress,
            result: end.and_then(|end| end.result.clone()),
            problem: end.and_then(|end| end.problem.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_of_one_kind_keep_no_other_kind_waiting() {
        let (_directory, runtime, app) = crate::testing::app();
        let _inside = runtime.enter();
        let mut held = Vec::new();
        let mut start = |kind| {
            let (end, ended) = mpsc::channel::<()>();
            held.push(end);
            let wait = move |_: &Arc<App>, _: &Watch| {
                let _ = ended.recv();
                Err(Problem::busy("the test ends"))
            };
            app.jobs.start(&app, kind, ("", Scope::Read), wait).map(|job| job.id).ok()
        };
        assert_eq!([start("verify"), start("verify"), start("verify")], [Some(1), Some(2), None]);
        assert_eq!(start("gc"), Some(3));
    }
}
