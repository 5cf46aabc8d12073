//! What there is: the entries of the new file, and those of other files that have what is missing.

use std::sync::Arc;

use bytes::Bytes;

use crate::db::{Reader, Writer};
use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::limits::CHUNK_BLOCK_LEN_TARGET;
use crate::log::appender::Appender;
use crate::pool::Pool;
use crate::salvage::scan::Found;
use crate::store::{ReadEntries, Transaction};

/// The entries that can be had.
pub struct Entries<'w, 'd> {
    writer: &'w mut Writer<'d>,
    /// Where it is looked for what is not here.
    pub others: Vec<Reader>,
    /// Versions that were found, and where.
    pub versions: Vec<(u64, Hash)>,
    /// Nodes of system maps that were found, and where.
    pub maps: Vec<(u64, Hash)>,
    /// Nodes of directories that were found.
    pub nodes: Vec<Hash>,
    /// Entries that the damaged file gave.
    pub saved: u64,
    /// Entries that other files gave.
    pub taken: u64,
}

impl<'w, 'd> Entries<'w, 'd> {
    pub fn new(writer: &'w mut Writer<'d>, others: Vec<Reader>) -> Self {
        let (versions, maps, nodes) = (Vec::new(), Vec::new(), Vec::new());
        Entries { writer, others, versions, maps, nodes, saved: 0, taken: 0 }
    }

    /// What they are written with.
    pub fn appender(&mut self) -> &mut Appender {
        self.writer.appender()
    }

    /// The time.
    pub fn now(&self) -> i64 {
        self.writer.database().clock().now()
    }

    /// The workers of the new database.
    pub fn pool(&self) -> &Arc<Pool> {
        self.writer.database().pool()
    }

    /// Copies what a block of the damaged file has.
    pub fn take(&mut self, found: Found) -> Result<()> {
        for (kind, hash, _) in &found.entries {
            match kind {
                Kind::Version => self.versions.push((found.at, *hash)),
                Kind::System => self.maps.push((found.at, *hash)),
                Kind::Directory => self.nodes.push(*hash),
                Kind::Chunk | Kind::List | Kind::Attributes => {}
            }
        }
        let appender = self.writer.appender();
        if let Some(block) = found.whole
            && block.head.raw_len >= CHUNK_BLOCK_LEN_TARGET / 2
            && are_new(appender, &found.entries)?
        {
            self.saved += found.entries.len() as u64;
            appender.append_block(&block)?;
            return appender.write_under_way();
        }
        for (kind, hash, bytes) in found.entries {
            self.saved += u64::from(appender.append_hashed(kind, hash, &bytes)?);
        }
        Ok(())
    }

    /// An entry, from wherever it can be had; `None` if from nowhere.
    pub fn get(&mut self, kind: Kind, hash: &Hash) -> Result<Option<Bytes>> {
        match self.writer.entries().read(kind, hash) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        for other in &self.others {
            match other.view().read(kind, hash) {
                Ok(bytes) => {
                    self.writer.entries().append_hashed(kind, *hash, &bytes)?;
                    self.taken += 1;
                    return Ok(Some(bytes));
                }
                // It may be damaged as well.
                Err(Error::NotFound(_) | Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether a chunk can be had. It is here then.
    pub fn has_chunk(&mut self, hash: &Hash) -> Result<bool> {
        if self.writer.entries().contains(hash)? {
            return Ok(true);
        }
        Ok(self.get(Kind::Chunk, hash)?.is_some())
    }
}

/// Whether none of these is here, and no two of them have one name.
fn are_new(appender: &Appender, entries: &[(Kind, Hash, Bytes)]) -> Result<bool> {
    let mut names: Vec<&Hash> = entries.iter().map(|(_, hash, _)| hash).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Ok(false);
    }
    for name in names {
        if appender.contains(name)? {
            return Ok(false);
        }
    }
    Ok(true)
}
