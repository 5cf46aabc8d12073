//! Whether the file still is what this writer made of it. A lock keeps other writers of ours away,
//! not `cp backup.aeordb live.aeordb`: that leaves the same inode with the bytes of another file, and
//! what a writer adds to those destroys them.

use super::Appender;
use crate::error::{Context, Error, Result};
use crate::format::superblock::{SLOTS, SUPERBLOCK_LEN};
use crate::log::source::Source;

/// The bytes of both slots as this writer found or wrote them; nothing of one whose write failed.
pub(super) struct OwnSlots([Option<[u8; SUPERBLOCK_LEN]>; 2]);

impl OwnSlots {
    /// What the slots hold now.
    pub fn found(source: &Source) -> Result<Self> {
        let mut found = OwnSlots([None; 2]);
        for (slot, offset) in SLOTS.into_iter().enumerate() {
            found.note(slot, Some(bytes_at(source, offset)?));
        }
        Ok(found)
    }

    /// Notes what a slot holds, or that it may hold anything.
    pub fn note(&mut self, slot: usize, bytes: Option<[u8; SUPERBLOCK_LEN]>) {
        if let Some(known) = self.0.get_mut(slot) {
            *known = bytes;
        }
    }
}

fn bytes_at(source: &Source, offset: u64) -> Result<[u8; SUPERBLOCK_LEN]> {
    let mut bytes = [0; SUPERBLOCK_LEN];
    let read = source.media().read_at(&mut bytes, offset);
    read.context(|| format!("reading {} at offset {offset}", source.name()))?;
    Ok(bytes)
}

impl Appender {
    /// [`Error::ReadOnly`], from then on for ever, if another program has written to the file. It is
    /// asked before whatever changes the file. What happens between that and the change is not seen.
    pub fn check_own(&mut self) -> Result<()> {
        self.check_latch()?;
        if self.below.is_some() {
            return Ok(());
        }
        if let Some(found) = self.foreign()? {
            let why = format!(
                "another program has written to it: {found}. Nothing more is written to it here; \
                 what it holds now is found by opening it again"
            );
            self.latched = Some(why);
        }
        self.check_latch()
    }

    fn foreign(&self) -> Result<Option<String>> {
        let len = self.source.file_len()?;
        if len < self.end {
            return Ok(Some(format!("expected {} bytes or more, found {len}", self.end)));
        }
        for (known, offset) in self.own.0.iter().zip(SLOTS) {
            let Some(known) = known else { continue };
            if bytes_at(&self.source, offset)? != *known {
                return Ok(Some(format!(
                    "the superblock at offset {offset} is not the one written"
                )));
            }
        }
        Ok(None)
    }

    pub(super) fn check_latch(&self) -> Result<()> {
        let latched = self.latched.as_ref();
        latched.map_or(Ok(()), |why| {
            Err(Error::ReadOnly { what: self.source.name().to_owned(), why: why.clone() })
        })
    }
}
