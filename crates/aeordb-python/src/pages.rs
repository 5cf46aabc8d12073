//! What there may be much of, page by page: a thread reads ahead, and stops when nobody waits.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use aeordb::{Error, Result};
use pyo3::prelude::*;
use serde::Serialize;

use crate::call::raise;

/// Items of a page.
const PAGE_LEN: usize = 500;
/// Pages that are read ahead.
const AHEAD: usize = 2;

/// Sees one after the other, until it returns false.
pub type Each<'e, T> = &'e mut dyn FnMut(T) -> Result<bool>;
/// Shows all there are.
pub type Showing<T> = Box<dyn FnOnce(Each<'_, T>) -> Result<()> + Send>;

/// An iterator of arrays in JSON.
#[pyclass(frozen, module = "aeordb")]
pub struct Pages {
    coming: Mutex<Receiver<Result<String>>>,
}

impl Pages {
    /// What `show` shows, at most `limit`.
    pub fn new<T: Serialize + Send + 'static>(limit: Option<usize>, show: Showing<T>) -> Self {
        let (send, receive) = sync_channel(AHEAD);
        thread::spawn(move || {
            if let Err(error) = fill(limit.unwrap_or(usize::MAX), show, &send) {
                // Whoever would be told has gone.
                let _ = send.send(Err(error));
            }
        });
        Pages { coming: Mutex::new(receive) }
    }
}

fn fill<T: Serialize>(
    limit: usize,
    show: Showing<T>,
    send: &SyncSender<Result<String>>,
) -> Result<()> {
    let mut page = Vec::new();
    let mut left = limit;
    if left == 0 {
        return Ok(());
    }
    show(&mut |item| {
        page.push(item);
        left -= 1;
        Ok((page.len() < PAGE_LEN || give(&mut page, send)?) && left > 0)
    })?;
    if !page.is_empty() {
        give(&mut page, send)?;
    }
    Ok(())
}

/// False if nobody waits any more.
fn give<T: Serialize>(page: &mut Vec<T>, send: &SyncSender<Result<String>>) -> Result<bool> {
    let page = std::mem::take(page);
    Ok(send.send(Ok(crate::home::json(&page)?)).is_ok())
}

#[pymethods]
impl Pages {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let page = py.detach(|| {
            let coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
            coming.recv().ok()
        });
        page.transpose().map_err(|error: Error| raise(py, &error))
    }
}
