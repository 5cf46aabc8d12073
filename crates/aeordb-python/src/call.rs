//! Calls out of Python: the lock of the interpreter is released, and errors are exceptions by kind.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use aeordb::{Error, Monitor, Result};
use aeordb_api::{Cause, Problem};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often a long call looks for signals and tells how far it is.
const TICK: Duration = Duration::from_millis(100);

/// The exception for an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let cause = told(error).unwrap_or_else(|| Cause::from(error));
    let members = serde_json::Value::Object(cause.members()).to_string();
    let made = py.import("aeordb._errors").and_then(|module| {
        module.call_method1("exception", (cause.kind(), error.to_string(), members))
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(other) => other,
    }
}

/// What a server said of what it refuses, where that is no error of the library.
fn told(error: &Error) -> Option<Cause> {
    let Error::Io { source, .. } = error else { return None };
    source.get_ref()?.downcast_ref::<Problem>().map(|problem| problem.cause.clone())
}

/// A call that does not take long.
pub fn short<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(|error| raise(py, &error))
}

/// A call that may take long: signals stop it, `progress` is told how far it is, and what its user must
/// know comes with the result.
pub fn long<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Arc<Monitor>) -> Result<T> + Send,
) -> PyResult<(T, Vec<String>)> {
    let monitor = Arc::new(Monitor::new());
    if progress.is_some() {
        monitor.observe();
    }
    let (done, ended) = channel::<()>();
    let shared = &monitor;
    let (result, mut stopped) = py.detach(move || {
        thread::scope(move |scope| {
            let monitor = shared;
            let worker = scope.spawn(move || {
                let result = work(monitor);
                drop(done);
                result
            });
            let mut stopped = None;
            while matches!(ended.recv_timeout(TICK), Err(RecvTimeoutError::Timeout)) {
                if stopped.is_none() {
                    stopped = Python::attach(|py| tick(py, progress, monitor)).err();
                    if stopped.is_some() {
                        monitor.cancel();
                    }
                }
            }
            (worker.join(), stopped)
        })
    });
    if stopped.is_none() {
        stopped = tell(py, progress, &monitor).err();
    }
    if let Some(stopped) = stopped {
        return Err(stopped);
    }
    let result = result.map_err(|_| PyRuntimeError::new_err("the call ended in the middle"))?;
    result.map(|done| (done, monitor.take_warnings())).map_err(|error| raise(py, &error))
}

fn tick(py: Python<'_>, progress: Option<&Py<PyAny>>, monitor: &Monitor) -> PyResult<()> {
    py.check_signals()?;
    tell(py, progress, monitor)
}

fn tell(py: Python<'_>, progress: Option<&Py<PyAny>>, monitor: &Monitor) -> PyResult<()> {
    let Some(progress) = progress else { return Ok(()) };
    let now = monitor.progress();
    let so_far = (now.files, now.bytes, now.files_expected, now.bytes_expected);
    progress.call1(py, so_far).map(drop)
}
