//! Work beside the requests, on the same database: what runs by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use aeordb::backup::Portion;
use aeordb::db::Database;
use aeordb::error::{Context, Result};
use aeordb::monitor::Monitor;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::app::App;
use crate::log;
use crate::service::verification;

/// What work beside the requests has of the server.
#[derive(Clone)]
pub struct Beside {
    app: Arc<App>,
    runtime: Handle,
    stopped: watch::Receiver<bool>,
}

impl Beside {
    pub(crate) fn new(app: Arc<App>, runtime: Handle, stopped: watch::Receiver<bool>) -> Self {
        Beside { app, runtime, stopped }
    }

    /// The database, which has one writer: this server.
    pub fn database(&self) -> Arc<Database> {
        self.app.service.database.clone()
    }

    /// Waits; true as soon as the server is to stop.
    pub fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.clone();
        let stop = stopped.wait_for(|stopped| *stopped);
        self.runtime.block_on(async { tokio::time::timeout(time, stop).await.is_ok() })
    }

    /// Does something when the server is to stop, as long as what is returned is kept.
    pub fn on_stop(&self, work: impl FnOnce() + Send + 'static) -> OnStop {
        let mut stopped = self.stopped.clone();
        let task = self.runtime.spawn(async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            work();
        });
        OnStop(task.abort_handle())
    }

    /// Goes on with the pass over the database for so long; what it finds is told and counted.
    pub fn scrub(&self, budget: Duration, monitor: &Monitor) {
        self.app.metrics.scrub_due.store(0, Relaxed);
        let portion = Some(Portion::Budget(budget));
        if let Err(problem) = verification::verify(&self.app.service, true, portion, monitor)
            && monitor.check().is_ok()
        {
            self.app.service.counters.failed_jobs.add(1);
            let detail = problem.document().detail.into();
            log::event("verification", &[("detail", detail)]);
        }
    }

    /// Says when the pass over the database goes on, in seconds since 1970.
    pub fn scrub_due(&self, at: i64) {
        self.app.metrics.scrub_due.store(at, Relaxed);
    }

    /// Logs one event.
    pub fn log(&self, kind: &str, members: &[(&str, Value)]) {
        log::event(kind, members);
    }

    /// Says when a profile is due, in seconds since 1970.
    pub fn due(&self, profile: &str, at: i64) {
        self.app.metrics.runs.due(profile, at);
    }

    /// Counts a run of a profile.
    pub fn ran(&self, profile: &str, exit_code: u8, succeeded: bool) {
        let now = self.app.service.database.clock().now() / 1_000_000_000;
        self.app.metrics.runs.ran(profile, exit_code, succeeded, now);
    }
}

/// Something that is done when the server is to stop.
pub struct OnStop(AbortHandle);

impl Drop for OnStop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Threads of such work.
#[derive(Default)]
pub(crate) struct Threads(Vec<Receiver<()>>);

impl Threads {
    /// Starts one.
    pub(crate) fn start(
        &mut self,
        beside: Beside,
        work: impl FnOnce(&Beside) + Send + 'static,
    ) -> Result<()> {
        let (alive, ended): (SyncSender<()>, _) = sync_channel(0);
        let thread = std::thread::Builder::new().name("beside".into());
        let started = thread.spawn(move || {
            work(&beside);
            // The database is let go of before whoever waits goes on.
            drop(beside);
            drop(alive);
        });
        started.context(|| "starting a thread of the server".into())?;
        self.0.push(ended);
        Ok(())
    }

    /// Waits until they have ended, or for so long.
    pub(crate) fn join(self, wait_max: Duration) {
        for ended in self.0 {
            let _ = ended.recv_timeout(wait_max);
        }
    }
}
