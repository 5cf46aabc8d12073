//! Worker threads for jobs whose results are wanted in the order in which they were given out:
//! hashing, compressing, reading and writing many small files.
//!
//! A caller keeps a [`Queue`] of jobs under way and takes what is surplus from it, which bounds
//! memory; a job never waits for another.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{Error, Result as Checked};

/// How hard blocks are compressed: with parameters of our own, or as a level of zstd does. What is in
/// them, and what it is called, is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compression(Option<i32>);

impl Compression {
    /// The levels that there are.
    pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=22;

    /// A level of zstd; [`Error::Invalid`] if there is none of this number.
    pub fn level(level: i32) -> Checked<Self> {
        if Self::LEVELS.contains(&level) {
            return Ok(Compression(Some(level)));
        }
        let (first, last) = (Self::LEVELS.start(), Self::LEVELS.end());
        Err(Error::invalid(format!("compression level {level} is not one of {first} to {last}")))
    }

    /// The level of zstd, if it is one.
    pub fn of_zstd(self) -> Option<i32> {
        self.0
    }

    /// True if blocks of other programs will do, however they are compressed.
    pub fn is_usual(self) -> bool {
        self.0.is_none()
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of worker threads, which start with the first job: many a database is opened for
/// a few reads. Dropping it waits for the jobs that were submitted.
pub struct Pool {
    workers: usize,
    compression: Compression,
    started: OnceLock<Started>,
}

struct Started {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

/// The result of a job, once it is done.
pub struct Ticket<T>(Receiver<Result<T, Box<dyn Any + Send>>>);

impl Pool {
    /// A pool of `workers` threads; zero means one for each core.
    pub fn new(workers: usize) -> Self {
        Pool::compressing(workers, Compression::default())
    }

    /// The same, of threads that compress blocks so.
    pub fn compressing(workers: usize, compression: Compression) -> Self {
        let workers = match workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            some => some,
        };
        Pool { workers, compression, started: OnceLock::new() }
    }

    /// Number of threads.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// How the blocks are compressed that it makes.
    pub fn compression(&self) -> Compression {
        self.compression
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
                    .name(format!("pool-{number}"))
                    .spawn(move || queue.iter().for_each(|job| job()))
                    .ok()
            })
            .collect();
        Started { jobs, threads }
    }
}

impl Drop for Pool {
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
}

/// Work in order: results come out as their jobs were given out, whichever ends first. What needs no
/// worker keeps its place between them.
pub struct Queue<T> {
    pool: Arc<Pool>,
    waiting: VecDeque<(u64, Work<T>)>,
    jobs: usize,
    len: u64,
}

enum Work<T> {
    UnderWay(Ticket<T>),
    Done(T),
    Note(T),
}

impl<T: Send + 'static> Queue<T> {
    /// An empty queue whose jobs go to `pool`.
    pub fn new(pool: &Arc<Pool>) -> Self {
        Queue { pool: pool.clone(), waiting: VecDeque::new(), jobs: 0, len: 0 }
    }

    /// Gives out a job.
    pub fn submit(&mut self, job: impl FnOnce() -> T + Send + 'static) {
        self.submit_sized(0, job);
    }

    /// Gives out a job that holds `len` bytes until its result is taken.
    pub fn submit_sized(&mut self, len: u64, job: impl FnOnce() -> T + Send + 'static) {
        self.waiting.push_back((len, Work::UnderWay(self.pool.submit(job))));
        self.jobs += 1;
        self.len += len;
    }

    /// Adds what is done already. It counts as a job, since it holds memory as one does.
    pub fn push(&mut self, done: T) {
        self.waiting.push_back((0, Work::Done(done)));
        self.jobs += 1;
    }

    /// Adds a note, which holds next to nothing and does not count.
    pub fn note(&mut self, note: T) {
        self.waiting.push_back((0, Work::Note(note)));
    }

    /// True if nothing is left to take.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes that jobs under way hold.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// How many jobs wait to be taken.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// The next result, for which it waits.
    pub fn take(&mut self) -> Option<T> {
        let (len, work) = self.waiting.pop_front()?;
        self.len -= len;
        self.jobs -= usize::from(!matches!(work, Work::Note(_)));
        Some(match work {
            Work::Done(done) | Work::Note(done) => done,
            Work::UnderWay(ticket) => ticket.wait(),
        })
    }

    /// The next result, if more jobs are under way than keep the pool busy.
    pub fn surplus(&mut self) -> Option<T> {
        self.surplus_over(self.pool.depth(), u64::MAX)
    }

    /// The next result, if more is under way than so many jobs or bytes.
    pub fn surplus_over(&mut self, jobs: usize, len: u64) -> Option<T> {
        if self.jobs > jobs || self.len > len { self.take() } else { None }
    }

    /// Lets go of what is under way; nobody wants it any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.jobs = 0;
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_submission() {
        let pool = Pool::new(3);
        let tickets: Vec<_> = (0..100u64).map(|n| pool.submit(move || n * n)).collect();
        let results: Vec<_> = tickets.into_iter().map(Ticket::wait).collect();
        assert_eq!(results, (0..100u64).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn a_queue_gives_what_it_got_in_order_and_holds_no_more_than_it_is_told() {
        let pool = Arc::new(Pool::new(2));
        let mut queue = Queue::new(&pool);
        let mut taken = Vec::new();
        for number in 0..100u64 {
            match number % 10 {
                0 => queue.push(number),
                5 => queue.note(number),
                _ => queue.submit_sized(number, move || number),
            }
            while let Some(next) = queue.surplus_over(pool.depth(), 150) {
                taken.push(next);
            }
            assert!(queue.jobs() <= pool.depth() && queue.size() <= 150);
        }
        assert!(!queue.is_empty());
        taken.extend(std::iter::from_fn(|| queue.take()));
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
        assert_eq!((queue.jobs(), queue.size()), (0, 0));
    }

    #[test]
    fn notes_keep_their_place_and_do_not_count() {
        let mut queue = Queue::new(&Arc::new(Pool::new(1)));
        queue.note(1);
        queue.submit(|| 2);
        queue.note(3);
        queue.push(4);
        assert_eq!(queue.jobs(), 2);
        assert_eq!(queue.surplus_over(2, 0), None);
        let taken: Vec<_> = std::iter::from_fn(|| queue.surplus_over(1, 0)).collect();
        assert_eq!(taken, [1, 2], "up to the first job");
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(3), Some(4), None));
        queue.submit(|| 5);
        queue.clear();
        assert!(queue.is_empty() && queue.take().is_none());
        assert_eq!(queue.jobs(), 0);
    }

    #[test]
    fn a_panic_in_a_job_reaches_whoever_waits_and_the_pool_goes_on() {
        let pool = Pool::new(1);
        let bad = pool.submit(|| panic!("as asked"));
        let good = pool.submit(|| 7);
        assert!(catch_unwind(AssertUnwindSafe(|| bad.wait())).is_err());
        assert_eq!(good.wait(), 7);
    }
}
