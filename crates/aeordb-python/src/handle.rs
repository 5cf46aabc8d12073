//! The one class of this module: a database, wherever it is.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use aeordb::object::Path;
use aeordb::{Error, Monitor, Result};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;

use crate::call::{long, raise, short};
use crate::content::Content;
use crate::file::File;
use crate::home::{Between, Home, json};
use crate::pages::{Pages, Showing};
use crate::server::Server;
use crate::wishes::{GetWish, ImportWish, PutWish};

/// Bytes that a Python object gives when it is read.
struct Readable(Py<PyAny>);

impl Read for Readable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let piece =
                self.0.call_method1(py, "read", (buffer.len(),)).map_err(io::Error::other)?;
            let piece: &[u8] =
                piece.extract(py).map_err(|error| io::Error::other(PyErr::from(error)))?;
            let into = buffer.get_mut(..piece.len()).ok_or(io::ErrorKind::InvalidData)?;
            into.copy_from_slice(piece);
            Ok(piece.len())
        })
    }
}

/// A report in JSON, and what its user must know.
type Reported = (String, Vec<String>);

/// A database, wherever it is.
#[pyclass(frozen, module = "aeordb")]
pub struct Handle {
    home: RwLock<Option<Box<dyn Home>>>,
}

impl Handle {
    fn new(home: impl Home + 'static) -> Self {
        Handle { home: RwLock::new(Some(Box::new(home))) }
    }

    /// What it is, as long as it is not closed.
    fn with<T>(&self, work: impl FnOnce(&dyn Home) -> Result<T>) -> Result<T> {
        let home = self.home.read().unwrap_or_else(PoisonError::into_inner);
        match home.as_deref() {
            Some(home) => work(home),
            None => Err(Error::invalid("the database is closed")),
        }
    }

    fn ask<T: Serialize>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Home) -> Result<T> + Send,
    ) -> PyResult<String> {
        short(py, || json(&self.with(work)?))
    }

    fn pages<T: Serialize + Send + 'static>(
        &self,
        py: Python<'_>,
        limit: Option<usize>,
        work: impl FnOnce(&dyn Home) -> Result<Showing<T>> + Send,
    ) -> PyResult<Pages> {
        short(py, || Ok(Pages::new(limit, self.with(work)?)))
    }

    fn long<T: Serialize>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&dyn Home, &Arc<Monitor>) -> Result<T> + Send,
    ) -> PyResult<Reported> {
        let work = |monitor: &_| json(&self.with(|home| work(home, monitor))?);
        long(py, progress.as_ref(), work)
    }
}

/// A path of the tree.
fn path(py: Python<'_>, bytes: &[u8]) -> PyResult<Path> {
    Path::parse(bytes).map_err(|error| raise(py, &error))
}

fn paths(py: Python<'_>, bytes: &[Vec<u8>]) -> PyResult<Vec<Path>> {
    bytes.iter().map(|bytes| path(py, bytes)).collect()
}

fn optional(py: Python<'_>, bytes: Option<&[u8]>) -> PyResult<Option<Path>> {
    bytes.map(|bytes| path(py, bytes)).transpose()
}

#[pymethods]
impl Handle {
    #[staticmethod]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        readonly: bool,
        patches: Vec<PathBuf>,
    ) -> PyResult<Self> {
        long(py, None, |_| File::open(path, readonly, &patches)).map(|(file, _)| Handle::new(file))
    }

    #[staticmethod]
    fn connect(py: Python<'_>, url: &str, key: String) -> PyResult<Self> {
        short(py, || Server::new(url, key)).map(Handle::new)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        short(py, || {
            let home = self.home.write().unwrap_or_else(PoisonError::into_inner).take();
            home.map_or(Ok(()), Home::close)
        })
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.home.read().unwrap_or_else(PoisonError::into_inner).is_none())
    }

    fn resolve(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        short(py, || self.with(|home| home.resolve(name)))
    }

    fn stat(&self, py: Python<'_>, at: &[u8], version: &str) -> PyResult<String> {
        let at = path(py, at)?;
        self.ask(py, |home| home.stat(&at, version))
    }

    fn read(&self, py: Python<'_>, at: &[u8], version: &str) -> PyResult<Content> {
        let at = path(py, at)?;
        short(py, || self.with(|home| home.open(&at, version)))
    }

    fn entries(
        &self,
        py: Python<'_>,
        at: &[u8],
        version: &str,
        recursive: bool,
    ) -> PyResult<Pages> {
        let at = path(py, at)?;
        self.pages(py, None, |home| home.entries(at, version, recursive))
    }

    fn write(
        &self,
        py: Python<'_>,
        at: &[u8],
        data: Bound<'_, PyAny>,
        content_type: Option<String>,
    ) -> PyResult<String> {
        let at = path(py, at)?;
        let bytes: Box<dyn Read + Send> = match data.cast::<PyBytes>() {
            Ok(bytes) => Box::new(io::Cursor::new(bytes.as_bytes().to_vec())),
            Err(_) => Box::new(Readable(data.unbind())),
        };
        let write = |_: &_| self.with(|home| home.write(&at, bytes, content_type));
        long(py, None, write).map(|(version, _)| version)
    }

    fn put(
        &self,
        py: Python<'_>,
        locals: Vec<PathBuf>,
        to: &[u8],
        inside: bool,
        wish: PutWish,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        let to = path(py, to)?;
        self.long(py, progress, |home, monitor| home.put(locals, to, inside, &wish, monitor))
    }

    fn get(
        &self,
        py: Python<'_>,
        at: &[u8],
        version: &str,
        local: PathBuf,
        wish: GetWish,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        let at = path(py, at)?;
        self.long(py, progress, |home, monitor| home.get(at, version, local, &wish, monitor))
    }

    fn remove(&self, py: Python<'_>, at: Vec<Vec<u8>>, recursive: bool) -> PyResult<String> {
        let at = paths(py, &at)?;
        self.ask(py, |home| home.remove(&at, recursive))
    }

    fn rename(&self, py: Python<'_>, from: &[u8], to: &[u8], force: bool) -> PyResult<String> {
        let (from, to) = (path(py, from)?, path(py, to)?);
        self.ask(py, |home| home.rename(&from, &to, force))
    }

    fn copy(
        &self,
        py: Python<'_>,
        from: &[u8],
        version: &str,
        to: &[u8],
        force: bool,
    ) -> PyResult<String> {
        let (from, to) = (path(py, from)?, path(py, to)?);
        self.ask(py, |home| home.copy(&from, version, &to, force))
    }

    fn snapshots(&self, py: Python<'_>) -> PyResult<Pages> {
        self.pages(py, None, |home| home.snapshots())
    }

    fn snapshot(
        &self,
        py: Python<'_>,
        name: &str,
        version: &str,
        metadata: BTreeMap<String, String>,
    ) -> PyResult<String> {
        self.ask(py, |home| home.snapshot(name, version, metadata))
    }

    fn delete_snapshot(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        short(py, || self.with(|home| home.delete_snapshot(name)))
    }

    fn history(&self, py: Python<'_>, limit: Option<usize>) -> PyResult<Pages> {
        self.pages(py, limit, |home| home.history())
    }

    fn log(&self, py: Python<'_>, at: &[u8], limit: Option<usize>) -> PyResult<Pages> {
        let at = path(py, at)?;
        self.pages(py, limit, |home| home.log(at))
    }

    fn changes(
        &self,
        py: Python<'_>,
        from: String,
        to: String,
        at: Option<&[u8]>,
    ) -> PyResult<Pages> {
        let path = optional(py, at)?;
        self.pages(py, None, |home| home.changes(Between { from, to, path }))
    }

    fn export(
        &self,
        py: Python<'_>,
        version: &str,
        at: Option<&[u8]>,
        output: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        let at = optional(py, at)?;
        self.long(py, progress, |home, monitor| home.export(version, at.as_ref(), &output, monitor))
    }

    fn patch(
        &self,
        py: Python<'_>,
        from: String,
        to: String,
        at: Option<&[u8]>,
        output: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        let between = Between { from, to, path: optional(py, at)? };
        self.long(py, progress, |home, monitor| home.patch(&between, &output, monitor))
    }

    fn import_(
        &self,
        py: Python<'_>,
        files: Vec<PathBuf>,
        wish: ImportWish,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        self.long(py, progress, |home, monitor| home.import(files, &wish, monitor))
    }

    fn promote(&self, py: Python<'_>, version: &str, expect: Option<&str>) -> PyResult<String> {
        self.ask(py, |home| home.promote(version, expect))
    }

    fn info(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |home| home.info())
    }

    fn verify(
        &self,
        py: Python<'_>,
        deep: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        self.long(py, progress, |home, monitor| home.verify(deep, monitor))
    }

    fn collect(
        &self,
        py: Python<'_>,
        dry_run: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Reported> {
        self.long(py, progress, |home, monitor| home.collect(dry_run, monitor))
    }
}
