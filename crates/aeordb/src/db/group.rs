//! Group commit: the edits of many callers that come while one commit is under way share the next
//! one, and its one sync.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::db::{Database, Edit, EditReport};
use crate::error::{Error, Result};

/// Most edits that share a commit.
const EDITS_MAX: usize = 1024;
/// Bytes of entries after which no more edits are taken into a commit.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Is told how an edit ended: durable, or not made.
type Done = Box<dyn FnOnce(Result<EditReport>) + Send>;

/// An edit, who is told of it, and until when it waits for its turn.
struct Waiting {
    edit: Edit,
    done: Done,
    until: Option<Instant>,
}

/// What group commits there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommitStats {
    /// Commits of groups.
    pub commits: u64,
    /// Edits in them.
    pub edits: u64,
    /// Time that they took, their syncs included.
    pub busy: Duration,
}

/// The thread that commits. No edit waits longer for its turn than [`super::Options::wait_max`] from
/// when it was submitted. Dropping it waits for the edits that were submitted.
pub struct Committer {
    queue: Option<Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    stats: Arc<Mutex<CommitStats>>,
    wait_max: Option<Duration>,
}

impl Committer {
    /// Starts to take edits of `database`.
    pub fn new(database: Arc<Database>) -> Result<Self> {
        let (queue, edits) = unbounded();
        let stats: Arc<Mutex<CommitStats>> = Arc::default();
        let (counted, wait_max) = (stats.clone(), database.wait_max);
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || serve(&database, &edits, &counted))
            .map_err(|source| Error::Io { what: "starting a thread".into(), source })?;
        Ok(Committer { queue: Some(queue), thread: Some(thread), stats, wait_max })
    }

    /// The group commits so far.
    pub fn stats(&self) -> CommitStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an edit; `done` is called once it is durable and readers see it, or has failed.
    pub fn submit(&self, edit: Edit, done: impl FnOnce(Result<EditReport>) + Send + 'static) {
        let done: Done = Box::new(done);
        let Some(queue) = &self.queue else { return done(Err(Error::Interrupted)) };
        let until = self.wait_max.and_then(|wait| Instant::now().checked_add(wait));
        if let Err(refused) = queue.send(Waiting { edit, done, until }) {
            (refused.0.done)(Err(Error::Interrupted));
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(database: &Database, queue: &Receiver<Waiting>, stats: &Mutex<CommitStats>) {
    // The first has waited longest, so that with it the group has waited long enough.
    for Waiting { edit, done, until } in queue {
        let mut bytes = edit.len();
        let (mut edits, mut waiting) = (vec![edit], vec![done]);
        while edits.len() < EDITS_MAX && bytes < BYTES_MAX {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.edit.len();
            edits.push(next.edit);
            waiting.push(next.done);
        }
        let started = Instant::now();
        let outcomes = database.edit_all_until(&edits, until);
        {
            let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
            stats.commits += 1;
            stats.edits += edits.len() as u64;
            stats.busy += started.elapsed();
        }
        for (done, outcome) in waiting.into_iter().zip(outcomes) {
            done(outcome);
        }
    }
}
