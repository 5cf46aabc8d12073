//! Clients that send one request after another, each on a connection of its own.

use crate::error::{Error, Outcome};
use crate::http::connection::{Body, Connection};
use crate::http::servers::Server;
use crate::results::count;
use std::io;
use std::time::{Duration, Instant};

/// Bytes of a small file.
pub const SMALL_LEN: usize = 1024;

/// What clients do.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Each puts files of its own.
    Put,
    /// Each gets files that it put: so many.
    Get(u64),
}

/// One measurement.
pub struct Load<'s> {
    /// Of which server.
    pub server: &'s Server,
    /// By how many clients at once.
    pub clients: usize,
    /// For how long.
    pub time: Duration,
    /// How long one request may take.
    pub limit: Duration,
    /// Doing what.
    pub kind: Kind,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Requests a second.
    pub rate: f64,
    /// Milliseconds that half of the requests took at most.
    pub p50: f64,
    /// Milliseconds that 99 of 100 took at most.
    pub p99: f64,
    /// CPU microseconds of the server for a request.
    pub cpu: f64,
    /// The fewest files that one client put.
    pub files: u64,
}

impl Load<'_> {
    /// Lets the clients work, and counts.
    pub fn run(&self) -> Outcome<Rates> {
        let cpu = self.server.cpu()?;
        let started = Instant::now();
        let results: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
            let clients = 0..self.clients;
            let clients: Vec<_> =
                clients.map(|client| scope.spawn(move || self.client(client))).collect();
            let died = |_| Err(Error::new("a client died"));
            clients.into_iter().map(|client| client.join().unwrap_or_else(died)).collect()
        });
        let took = started.elapsed().as_secs_f64();
        let cpu = self.server.cpu()? - cpu;
        let results: Vec<Vec<Duration>> = results.into_iter().collect::<Outcome<_>>()?;
        let files = results.iter().map(|times| times.len() as u64).min().unwrap_or(0);
        let mut times: Vec<Duration> = results.into_iter().flatten().collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let time = times.get(times.len() * percent / 100).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        let requests = count(times.len() as u64);
        let (rate, cpu) = (requests / took, cpu * 1e6 / requests.max(1.0));
        Ok(Rates { rate, p50: at(50), p99: at(99), cpu, files })
    }

    /// One client: how long each of its requests took.
    fn client(&self, client: usize) -> Outcome<Vec<Duration>> {
        let mut connection = Connection::open(self.server, self.limit)?;
        let mut content = vec![b'x'; SMALL_LEN];
        let mut times = Vec::new();
        let mut number = 0u64;
        let started = Instant::now();
        while started.elapsed() < self.time {
            let since = Instant::now();
            let path = |number| format!("load/{}/c{client}/f{number}", self.clients);
            match self.kind {
                Kind::Put => {
                    // No two files are alike.
                    label(&mut content, &format!("{}-{client}-{number}-", self.clients));
                    connection.put(&path(number), &Body::Bytes(&content))?;
                }
                Kind::Get(files) => {
                    let at = number.wrapping_mul(2_654_435_761) % files.max(1);
                    let found = connection.get(&path(at), &mut io::sink())?.len;
                    if found != SMALL_LEN as u64 {
                        let text = format!("{}: {found} bytes, not {SMALL_LEN}", path(at));
                        return Err(Error::new(text));
                    }
                }
            }
            times.push(since.elapsed());
            number += 1;
        }
        Ok(times)
    }
}

fn label(content: &mut [u8], label: &str) {
    if let Some(start) = content.get_mut(..label.len()) {
        start.copy_from_slice(label.as_bytes());
    }
}
