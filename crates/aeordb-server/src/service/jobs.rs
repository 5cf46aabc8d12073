//! Long work that a client starts and looks at now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aeordb::Clock;
use aeordb::monitor::Monitor;
use aeordb_api::Time;
use aeordb_api::jobs::{self as api, Outcome, Progress, State};
use aeordb_api::problem::Problem as Told;

use super::counters::Counter;
use super::problem::Problem;
use crate::keys::Scope;

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
    monitor: Monitor,
    end: Mutex<Option<End>>,
}

/// How a job ended.
struct End {
    state: State,
    time: i64,
    result: Option<Outcome>,
    problem: Option<Problem>,
}

/// The jobs of a server.
pub struct Jobs {
    kept: Mutex<Kept>,
    clock: Clock,
    failed: Counter,
}

#[derive(Default)]
struct Kept {
    /// The number of the newest job: none is given twice, whatever was forgotten.
    last: u64,
    jobs: BTreeMap<u64, Arc<Job>>,
}

impl Jobs {
    /// No jobs yet. Those that fail are counted.
    pub fn new(clock: Clock, failed: Counter) -> Self {
        Jobs { kept: Mutex::default(), clock, failed }
    }

    /// Starts `work` for `key`, as any with `scope` may, on a thread of its own.
    pub fn start(
        &self,
        kind: &'static str,
        (key, scope): (&str, Scope),
        work: impl FnOnce(&Monitor) -> Result<Outcome, Problem> + Send + 'static,
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
            let (id, monitor, started) = (*last, Monitor::new(), self.clock.now());
            let (key, end) = (key.to_owned(), Mutex::default());
            let job = Arc::new(Job { id, scope, key, kind, started, monitor, end });
            jobs.insert(id, job.clone());
            job
        };
        let (running, clock, failed) = (job.clone(), self.clock.clone(), self.failed.clone());
        tokio::task::spawn_blocking(move || {
            // Whatever happens to the work, the job ends.
            let ending = Ending { job: &running, clock, failed };
            let done = work(&running.monitor);
            ending.finish(done);
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
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all of them.
    pub fn cancel_all(&self) {
        self.list().iter().for_each(|job| job.cancel());
    }
}

/// The end of a job, which comes whatever happens to its work.
struct Ending<'a> {
    job: &'a Job,
    clock: Clock,
    failed: Counter,
}

impl Ending<'_> {
    fn finish(&self, done: Result<Outcome, Problem>) {
        let (state, result, problem) = match done {
            Ok(result) => (State::Done, Some(result), None),
            Err(_) if self.job.monitor.check().is_err() => (State::Cancelled, None, None),
            Err(problem) => {
                self.failed.add(1);
                (State::Failed, None, Some(problem))
            }
        };
        let end = End { state, time: self.clock.now(), result, problem };
        *self.job.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.job.is_running() {
            self.finish(Err(Problem::internal("a job ended without a result")));
        }
    }
}

impl Job {
    /// True until it has ended.
    pub fn is_running(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Asks it to stop at its next safe point.
    pub fn cancel(&self) {
        self.monitor.cancel();
    }

    /// How far it is, with its problem as the door shows problems.
    pub fn shown(&self, document: impl FnOnce(&Problem) -> Told) -> api::Job {
        let progress = Progress::from(&self.monitor.progress());
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
            problem: end.and_then(|end| end.problem.as_ref()).map(document),
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
            let wait = move |_: &Monitor| {
                let _ = ended.recv();
                Err(Problem::busy("the test ends"))
            };
            app.service.jobs.start(kind, ("", Scope::Read), wait).map(|job| job.id).ok()
        };
        assert_eq!([start("verify"), start("verify"), start("verify")], [Some(1), Some(2), None]);
        assert_eq!(start("gc"), Some(3));
    }
}
