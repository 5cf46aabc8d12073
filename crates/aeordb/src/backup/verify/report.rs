//! What a verification says.

use std::path::Path as LocalPath;

use super::passes::Pass;
use super::share::Share;
use crate::db::{Database, FileKind};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::object::Path;

/// What was found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// What the file is.
    pub kind: FileKind,
    /// Versions whose completeness was proved.
    pub versions: u64,
    /// Entries that were looked at.
    pub entries: u64,
    /// Blocks and deltas that were looked at.
    pub blocks: u64,
    /// Bytes of the file that were read.
    pub bytes: u64,
    /// True if every entry was hashed and versions were proved.
    pub deep: bool,
    /// Entries of a patch that only its base can prove.
    pub unproved: u64,
    /// What is damaged, in the order of the file.
    pub damages: Vec<Damage>,
    /// What is sound and can be read by a newer program alone.
    pub newer: Vec<Newer>,
    /// True if the file is encrypted and its key is not at hand: that it is whole was looked at alone.
    pub unopened: bool,
    /// Bytes after the last commit that were never acknowledged.
    pub torn_tail: u64,
    /// The share of the blocks that was taken at random, if not all were.
    pub sample: Option<Share>,
    /// How far the pass is that this was a part of.
    pub pass: Option<Pass>,
}

/// Something that is damaged.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// Some of the paths that it hits, and in which versions.
    pub paths: Vec<(VersionId, Path)>,
}

/// Something that a newer program made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Newer {
    /// Where in the file; zero if that is not known.
    pub offset: u64,
    /// The thing.
    pub what: String,
    /// The feature that this program does not know.
    pub needs: String,
}

impl VerifyReport {
    pub(super) fn new(kind: FileKind, deep: bool) -> Self {
        VerifyReport {
            kind,
            versions: 0,
            entries: 0,
            blocks: 0,
            bytes: 0,
            deep,
            unproved: 0,
            damages: Vec::new(),
            newer: Vec::new(),
            unopened: false,
            torn_tail: 0,
            sample: None,
            pass: None,
        }
    }

    pub(super) fn damage(&mut self, offset: u64, what: impl Into<String>) {
        self.damages.push(Damage { offset, what: what.into(), paths: Vec::new() });
    }

    /// What opening a database found.
    pub(super) fn opened(&mut self, database: &Database) -> Result<()> {
        let log = database.log();
        for damage in log.damages().iter().chain(log.lost_slot()) {
            self.damage(damage.offset, damage.detail.clone());
        }
        self.torn_tail = log.source().file_len()?.saturating_sub(log.end());
        Ok(())
    }

    /// Puts what was found in the order of the file, each once.
    pub(super) fn settle(&mut self) {
        self.damages.sort_by_key(|damage| damage.offset);
        self.damages.dedup_by(|a, b| a.offset == b.offset && a.what == b.what);
        self.newer.dedup();
    }

    /// Counts another file in, whose damage is called by its name.
    pub fn count_in(&mut self, file: &LocalPath, other: VerifyReport) {
        self.versions += other.versions;
        self.entries += other.entries;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.unproved += other.unproved;
        self.unopened |= other.unopened;
        let named = |damage: Damage| {
            let what = format!("{}: {}", file.display(), damage.what);
            Damage { what, ..damage }
        };
        self.damages.extend(other.damages.into_iter().map(named));
        self.newer.extend(other.newer);
    }

    /// The files lead to one more version, which proves what was not proved yet; or they do not,
    /// and why is damage or another error.
    pub fn lead_to(&mut self, proved: Result<()>) -> Result<()> {
        if proved.is_ok() {
            self.unproved = 0;
            self.versions += 1;
        }
        self.keep(0, proved)
    }

    /// Keeps damage and what only a newer program reads, passes other errors on.
    pub(super) fn keep(&mut self, at: u64, result: Result<()>) -> Result<()> {
        match result {
            Err(Error::Damaged { offset, detail, .. }) => {
                self.damage(if offset == 0 { at } else { offset }, detail);
                Ok(())
            }
            Err(error @ (Error::Limit { .. } | Error::Incomplete { .. } | Error::NotFound(_))) => {
                self.damage(at, error.to_string());
                Ok(())
            }
            Err(Error::Newer { what, needs }) => {
                self.newer.push(Newer { offset: at, what, needs });
                Ok(())
            }
            other => other,
        }
    }
}
