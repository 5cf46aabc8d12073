//! The bytes of a file, read where they are wanted.

use std::io::{Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use aeordb::db::FileReader;
use aeordb::error::Context;
use aeordb::object::Path;
use aeordb::{Error, Monitor, Result};
use aeordb_api::table::{ReadFiles, ReadQuery};
use aeordb_client::place::place_of;
use aeordb_client::stream::copy;
use aeordb_client::{Client, Payload};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::short;

/// Most bytes that one call gives.
const PIECE_MAX: u64 = 64 * 1024 * 1024;

/// Where the bytes come from.
pub enum Source {
    /// A file of this machine.
    File(Box<FileReader>),
    /// A server, asked for ranges of one version.
    Server(Arc<Client>, Path, ReadQuery),
}

impl Source {
    fn read_at(&mut self, offset: u64, len: u64) -> Result<Vec<u8>> {
        match self {
            Source::File(reader) => {
                let place = || format!("going to offset {offset}");
                reader.seek(SeekFrom::Start(offset)).context(place)?;
                let mut bytes = Vec::new();
                while (bytes.len() as u64) < len {
                    let more = reader.next_bytes()?;
                    if more.is_empty() {
                        break;
                    }
                    let wanted = usize::try_from(len).unwrap_or(usize::MAX) - bytes.len();
                    bytes.extend_from_slice(more.get(..wanted).unwrap_or(&more));
                }
                Ok(bytes)
            }
            Source::Server(client, path, query) => {
                let range = [("range", format!("bytes={offset}-{}", offset + len - 1))];
                let place = place_of(path);
                let reply = client.open::<ReadFiles>(&place, query, &range, Payload::Empty)?;
                if reply.status() != 206 {
                    return Err(Error::invalid("the server gave no range of the file"));
                }
                let mut bytes = Vec::new();
                copy(reply, &mut bytes, &Monitor::new())?;
                let given = bytes.len() as u64;
                match given == len {
                    true => Ok(bytes),
                    false => {
                        let detail = format!("{given} bytes came, not {len}");
                        Err(Error::damaged("the reply", offset, detail))
                    }
                }
            }
        }
    }
}

/// The bytes of a file of one version.
#[pyclass(frozen, module = "aeordb")]
pub struct Content {
    /// How many there are.
    #[pyo3(get)]
    size: u64,
    source: Mutex<Source>,
}

impl Content {
    /// So many bytes that come from there.
    pub fn new(size: u64, source: Source) -> Self {
        Content { size, source: Mutex::new(source) }
    }
}

#[pymethods]
impl Content {
    /// Bytes from `offset` on: `len` of them, or fewer at the end or where that is much.
    fn read_at<'py>(
        &self,
        py: Python<'py>,
        offset: u64,
        len: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let len = len.min(PIECE_MAX).min(self.size.saturating_sub(offset));
        let bytes = match len {
            0 => Vec::new(),
            _ => short(py, || {
                let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
                source.read_at(offset, len)
            })?,
        };
        Ok(PyBytes::new(py, &bytes))
    }
}
