//! The connections that are open: how many there may be, how many of them from one address, and
//! which are closed when there are more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::limiter::network;

/// The connections that are open.
pub struct Connections {
    open: Mutex<Open>,
    max: usize,
    start: Instant,
}

#[derive(Default)]
struct Open {
    last: u64,
    all: HashMap<u64, Arc<Connection>>,
    by_network: HashMap<[u8; 16], usize>,
}

/// One of them.
pub struct Connection {
    network: [u8; 16],
    /// Microseconds from the start to when it had nothing to do; 0 while it has.
    idle_since: AtomicU64,
    start: Instant,
    asked: AtomicBool,
    unread: Arc<AtomicBool>,
    /// Tells the connection to end. A receiver that waits takes no lock when its task is polled,
    /// which it is at every request.
    close: Mutex<Option<oneshot::Sender<()>>>,
}

/// Whether there is a place for one more.
pub enum Admission {
    /// There is.
    Granted(Admitted),
    /// Once another was closed.
    Full,
    /// Its address has too many, and all of them are busy.
    Refused,
}

/// A connection that has a place until this is dropped.
pub struct Admitted {
    /// The connection.
    pub connection: Arc<Connection>,
    /// Comes when it is to end: for another, or because all do.
    pub told_to_end: oneshot::Receiver<()>,
    number: u64,
    connections: Arc<Connections>,
}

impl Connections {
    /// At most `max` connections, and a quarter of them from one address of another machine.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Connections { open: Mutex::default(), max: max.max(1), start: Instant::now() })
    }

    /// Asks for a place. Where there is none, the connection that has had nothing to do for
    /// longest gives its own up.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        let network = network(address);
        let mut open = self.open();
        // Programs of this machine, and a proxy among them, speak for many.
        let local = address.to_canonical().is_loopback();
        let count = open.by_network.get(&network).copied().unwrap_or(0);
        if !local && count >= (self.max / 4).max(1) && !open.close_idle(Some(&network)) {
            return Admission::Refused;
        }
        if open.all.len() >= self.max && !open.close_idle(None) {
            return Admission::Full;
        }
        open.last += 1;
        let number = open.last;
        let (close, told_to_end) = oneshot::channel();
        let connection = Arc::new(Connection {
            network,
            idle_since: AtomicU64::new(0),
            start: self.start,
            asked: AtomicBool::new(false),
            unread: Arc::default(),
            close: Mutex::new(Some(close)),
        });
        connection.rest();
        open.all.insert(number, connection.clone());
        *open.by_network.entry(network).or_default() += 1;
        Admission::Granted(Admitted { connection, told_to_end, number, connections: self.clone() })
    }

    /// Tells all of them to end.
    pub fn close_all(&self) {
        self.open().all.values().for_each(|connection| connection.close());
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes the connection, of this network or of all, that has been idle for longest; false if
    /// none is idle.
    fn close_idle(&mut self, network: Option<&[u8; 16]>) -> bool {
        let idle = self.all.iter().filter_map(|(number, connection)| {
            let since = connection.idle_since.load(Relaxed);
            let meant = network.is_none_or(|network| *network == connection.network);
            (since > 0 && meant).then_some((since, *number))
        });
        let Some((_, number)) = idle.min() else { return false };
        if let Some(connection) = self.remove(number) {
            connection.close();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let connection = self.all.remove(&number)?;
        if let Some(count) = self.by_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.open().remove(self.number);
    }
}

impl Connection {
    /// A request came.
    pub fn begin(&self) {
        self.asked.store(true, Relaxed);
        self.unread.store(false, Relaxed);
        self.idle_since.store(0, Relaxed);
    }

    /// It has nothing to do now.
    fn rest(&self) {
        let since = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.idle_since.store(since.max(1), Relaxed);
    }

    /// True once a request came.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// True while the body of the last request was not read to its end.
    pub fn unread(&self) -> &Arc<AtomicBool> {
        &self.unread
    }

    fn close(&self) {
        let close = self.close.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that has ended by itself hears nothing.
        close.map(|close| close.send(()));
    }
}

/// The body of a request, which says whether it was read to its end.
pub struct Asked {
    body: hyper::body::Incoming,
    unread: Arc<AtomicBool>,
    ended: bool,
}

impl Asked {
    /// The body of a request of `connection`.
    pub fn new(body: hyper::body::Incoming, connection: &Connection) -> Self {
        Asked { body, unread: connection.unread.clone(), ended: false }
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.unread.store(true, Relaxed);
        }
    }
}

/// The body of an answer: when it was sent, or is given up, the connection has nothing to do.
pub struct Answered {
    body: Body,
    connection: Arc<Connection>,
}

impl Answered {
    /// The body of an answer on `connection`.
    pub fn new(body: Body, connection: &Arc<Connection>) -> Self {
        Answered { body, connection: connection.clone() }
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.connection.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(connections: &Arc<Connections>, address: &str) -> Option<Admitted> {
        match connections.admit(address.parse().unwrap()) {
            Admission::Granted(admitted) => Some(admitted),
            Admission::Full | Admission::Refused => None,
        }
    }

    #[test]
    fn one_address_has_a_quarter_of_the_places_and_gives_up_idle_ones_for_new_ones() {
        let connections = Connections::new(8);
        let first = granted(&connections, "10.0.0.1").unwrap();
        let second = granted(&connections, "10.0.0.1").unwrap();
        second.connection.begin();
        let third = granted(&connections, "10.0.0.1").unwrap();
        assert_eq!(connections.open().all.len(), 2);
        drop(first);
        assert_eq!(connections.open().all.len(), 2);
        third.connection.begin();
        let one_more = connections.admit("10.0.0.1".parse().unwrap());
        assert!(matches!(one_more, Admission::Refused));
        let here: Vec<_> = (0..6).map(|_| granted(&connections, "127.0.0.1").unwrap()).collect();
        here.iter().for_each(|one| one.connection.begin());
        let one_more = connections.admit("10.0.0.2".parse().unwrap());
        assert!(matches!(one_more, Admission::Full));
        here[3].connection.rest();
        assert!(granted(&connections, "10.0.0.2").is_some());
        drop(here);
        drop((second, third));
        let open = connections.open();
        assert!(open.all.is_empty() && open.by_network.is_empty());
    }
}
