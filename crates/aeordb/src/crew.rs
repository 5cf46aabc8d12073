//! Worker threads for jobs whose results are wanted in the order in which they were given out:
//! hashing, compressing, reading and writing many small files.
//!
//! A caller keeps a bounded queue of tickets, which bounds memory; a job never waits for another.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of worker threads, which start with the first job: many a database is opened for
/// a few reads. Dropping it waits for the jobs that were submitted.
pub struct Crew {
    workers: usize,
    started: OnceLock<Started>,
}

struct Started {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

/// The result of a job, once it is done.
pub struct Ticket<T>(Receiver<Result<T, Box<dyn Any + Send>>>);

impl Crew {
    /// A crew of `workers` threads; zero means one for each core.
    pub fn new(workers: usize) -> Self {
        let workers = match workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            some => some,
        };
        Crew { workers, started: OnceLock::new() }
    }

    /// Number of threads.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// How many jobs a caller keeps under way: enough that no worker waits for the caller.
    pub fn depth(&self) -> usize {
        self.workers() * 2 + 1
    }

    /// Gives out a job.
    pub fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Ticket<T> {
        let (done, result) = bounded(1);
        let run: Job = Box::new(move || {
            // The ticket may have been dropped: nobody wants the result then.
            let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
        });
        let Started { jobs, threads } = self.started.get_or_init(|| Started::new(self.workers));
        if threads.is_empty() {
            // Without a thread to be had, the caller does the work.
            run();
        } else if let Err(refused) = jobs.send(run) {
            (refused.0)();
        }
        Ticket(result)
    }
}

impl Started {
    fn new(workers: usize) -> Self {
        let (jobs, queue) = unbounded::<Job>();
        let threads = (0..workers)
            .filter_map(|number| {
                let queue = queue.clone();
                std::thread::Builder::new()
                    .name(format!("crew-{number}"))
                    .spawn(move || queue.iter().for_each(|job| job()))
                    .ok()
            })
            .collect();
        Started { jobs, threads }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let Some(Started { jobs, threads }) = self.started.take() else { return };
        drop(jobs);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl<T> Ticket<T> {
    /// Waits for the result. A panic of the job goes on here.
    pub fn wait(self) -> T {
        match self.0.recv() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => resume_unwind(Box::new("a worker thread ended without a result")),
        }
    }

    /// True if `wait` would not wait.
    pub fn is_done(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_submission() {
        let crew = Crew::new(3);
        let tickets: Vec<_> = (0..100u64).map(|n| crew.submit(move || n * n)).collect();
        let results: Vec<_> = tickets.into_iter().map(Ticket::wait).collect();
        assert_eq!(results, (0..100u64).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_in_a_job_reaches_whoever_waits_and_the_crew_goes_on() {
        let crew = Crew::new(1);
        let bad = crew.submit(|| panic!("as asked"));
        let good = crew.submit(|| 7);
        assert!(catch_unwind(AssertUnwindSafe(|| bad.wait())).is_err());
        assert_eq!(good.wait(), 7);
    }
}
