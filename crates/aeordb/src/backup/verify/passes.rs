//! How far a pass over a database is, kept in a file beside it, so that the next verification goes on
//! there.
//!
//! It is not in the database: who verifies only reads, beside a writer and where nothing can be
//! written; and a copy of the database lies on other places of another disk, of which nothing has been
//! looked at. Whatever is wrong with the file means that a pass begins.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path as LocalPath, PathBuf};

use crate::db::Database;
use crate::error::{Context, Result};
use crate::format::FrameHeader;
use crate::hash::{Hash, VersionId};
use crate::log::Log;

/// First line of the file.
const TITLE: &str = "aeordb scrub 1";
/// Most bytes of it.
const LEN_MAX: u64 = 256 * 1024;
/// Most damages, and most broken versions, that are looked at again by the next run.
const KNOWN_MAX: usize = 1000;

/// How far a pass is, and the passes before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pass {
    /// When it began, in nanoseconds since 1970.
    pub began_at: i64,
    /// Bytes of the file up to the place where it is.
    pub bytes: u64,
    /// Bytes of the file up to the end.
    pub bytes_expected: u64,
    /// True if it has ended: all was looked at, every version proved.
    pub is_whole: bool,
    /// Passes that have ended.
    pub ended: u64,
    /// When the last of them ended, in nanoseconds since 1970.
    pub ended_at: Option<i64>,
    /// Damages and broken versions that this pass knows of.
    pub damages: u64,
}

impl Pass {
    /// How far the pass over the database at `path` is, as the last run left it; `None` if nobody
    /// knows.
    pub fn of(path: &LocalPath) -> Option<Self> {
        Some(PassFile::beside(path).ok()?.load()?.shown())
    }
}

/// Which versions of a pass are proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProvedTo {
    /// The entries of history from this number on.
    pub history: u64,
    /// What is not in history, by the time of its name, up to this version.
    pub named: i64,
    pub version: VersionId,
    /// The version that was proved last and is sound.
    pub sound: Option<VersionId>,
}

/// How far a pass is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Position {
    pub file_id: [u8; 16],
    pub began_at: i64,
    /// Frames before this offset have been looked at.
    pub at: u64,
    /// Where the database ended then.
    pub end: u64,
    /// The last of those frames: its offset and its hash.
    pub last: Option<(u64, Hash)>,
    pub proved_to: Option<ProvedTo>,
    pub is_whole: bool,
    pub ended: u64,
    pub ended_at: Option<i64>,
    /// Places that were found damaged.
    pub damages: BTreeSet<u64>,
    /// Versions that were found broken.
    pub versions: BTreeSet<VersionId>,
}

impl Position {
    /// Where a run goes on: here, at the beginning of the next pass, or of one that knows of none.
    pub fn go_on(self, database: &Database) -> Result<Self> {
        let (log, file_id) = (database.log(), database.file_id());
        let is_same = self.is_of(log, file_id)?;
        if is_same && !self.is_whole {
            return Ok(self);
        }
        let began = Position {
            file_id,
            began_at: database.clock().now(),
            at: log.start(),
            ..Position::default()
        };
        Ok(match (self.file_id == file_id, is_same) {
            (true, true) => Position {
                ended: self.ended,
                ended_at: self.ended_at,
                damages: self.damages,
                versions: self.versions,
                ..began
            },
            (true, false) => Position { ended: self.ended, ended_at: self.ended_at, ..began },
            (false, _) => began,
        })
    }

    /// True if this is about what the log holds: a compaction, or another file that was put there, has
    /// other bytes at these places.
    fn is_of(&self, log: &Log, file_id: [u8; 16]) -> Result<bool> {
        if self.file_id != file_id || self.at > log.end() {
            return Ok(false);
        }
        let Some((at, hash)) = self.last else { return Ok(self.at >= log.start()) };
        // A collection may have released it since.
        let inside = |start: u64, len: u64| start <= at && self.at <= start.saturating_add(len);
        if log.voids().iter().any(|void| inside(void.offset.get(), void.len.get())) {
            return Ok(true);
        }
        Ok(log.source().header(at)?.is_some_and(|header| Hash::new(header.hash) == hash))
    }

    /// One more frame was looked at, or bytes that are none.
    pub fn pass(&mut self, at: u64, len: u64, header: Option<&FrameHeader>) {
        self.at = at + len;
        if let Some(header) = header {
            self.last = Some((at, Hash::new(header.hash)));
        }
    }

    pub fn know_place(&mut self, at: u64) {
        if self.damages.len() < KNOWN_MAX {
            self.damages.insert(at);
        }
    }

    pub fn know_version(&mut self, version: VersionId) {
        if self.versions.len() < KNOWN_MAX {
            self.versions.insert(version);
        }
    }

    pub fn shown(&self) -> Pass {
        Pass {
            began_at: self.began_at,
            bytes: self.at,
            bytes_expected: self.end.max(self.at),
            is_whole: self.is_whole,
            ended: self.ended,
            ended_at: self.ended_at,
            damages: (self.damages.len() + self.versions.len()) as u64,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{TITLE}\n");
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name} {value}");
        };
        line("file", format!("{:032x}", u128::from_be_bytes(self.file_id)));
        line("began", self.began_at.to_string());
        line("at", self.at.to_string());
        line("end", self.end.to_string());
        if let Some((at, hash)) = self.last {
            line("last", format!("{at} {hash}"));
        }
        if let Some(ProvedTo { history, named, version, sound }) = self.proved_to {
            line("proved", format!("{history} {named} {version}"));
            if let Some(sound) = sound {
                line("sound", sound.to_string());
            }
        }
        if self.is_whole {
            line("whole", "yes".into());
        }
        line("ended", self.ended.to_string());
        if let Some(time) = self.ended_at {
            line("ended-at", time.to_string());
        }
        self.damages.iter().for_each(|at| line("damage", at.to_string()));
        self.versions.iter().for_each(|version| line("broken", version.to_string()));
        let check = Hash::of(text.as_bytes());
        format!("{text}check {check}\n")
    }

    /// `None` for whatever this program has not written.
    fn parse(text: &str) -> Option<Self> {
        let lines = text.rfind("check ")?;
        let (text, check) = text.split_at(lines);
        if check.strip_prefix("check ")?.strip_suffix('\n')?
            != Hash::of(text.as_bytes()).to_string()
        {
            return None;
        }
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let mut position = Position::default();
        for line in lines {
            let (name, value) = line.split_once(' ')?;
            position.take(name, value)?;
        }
        Some(position)
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        let words: Vec<&str> = value.split(' ').collect();
        match (name, words.as_slice()) {
            ("file", [id]) => self.file_id = u128::from_str_radix(id, 16).ok()?.to_be_bytes(),
            ("began", [time]) => self.began_at = time.parse().ok()?,
            ("at", [at]) => self.at = at.parse().ok()?,
            ("end", [end]) => self.end = end.parse().ok()?,
            ("last", [at, hash]) => self.last = Some((at.parse().ok()?, hash.parse().ok()?)),
            ("proved", [history, named, version]) => {
                let (history, named) = (history.parse().ok()?, named.parse().ok()?);
                let (version, sound) = (version.parse().ok()?, None);
                self.proved_to = Some(ProvedTo { history, named, version, sound });
            }
            ("sound", [version]) => self.proved_to.as_mut()?.sound = Some(version.parse().ok()?),
            ("whole", ["yes"]) => self.is_whole = true,
            ("ended", [count]) => self.ended = count.parse().ok()?,
            ("ended-at", [time]) => self.ended_at = Some(time.parse().ok()?),
            ("damage", [at]) => drop(self.damages.insert(at.parse().ok()?)),
            ("broken", [version]) => drop(self.versions.insert(version.parse().ok()?)),
            _ => return None,
        }
        Some(())
    }
}

/// The file in which a position is kept: `.scrub` after the name of the database.
pub(super) struct PassFile {
    database: PathBuf,
    path: PathBuf,
}

impl PassFile {
    /// That beside the database at `path`, or where a link leads to.
    pub fn beside(path: &LocalPath) -> Result<Self> {
        let database =
            fs::canonicalize(path).context(|| format!("examining {}", path.display()))?;
        let mut name = database.clone().into_os_string();
        name.push(".scrub");
        Ok(PassFile { database, path: name.into() })
    }

    /// What is kept there.
    pub fn load(&self) -> Option<Position> {
        let mut text = String::new();
        File::open(&self.path).ok()?.take(LEN_MAX).read_to_string(&mut text).ok()?;
        Position::parse(&text)
    }

    /// Keeps a position there instead.
    pub fn store(&self, position: &Position) -> Result<()> {
        let what = || format!("keeping in {} how far it is", self.path.display());
        let mode = fs::metadata(&self.database).context(what)?.mode() & 0o666;
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".tmp");
        // One that a killed run left is in the way.
        let _ = fs::remove_file(&temporary);
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(mode).open(&temporary);
        let written = file.and_then(|mut file| file.write_all(position.text().as_bytes()));
        written.and_then(|()| fs::rename(&temporary, &self.path)).context(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            file_id: *b"0123456789abcdef",
            began_at: -5,
            at: 8192,
            end: 70_000,
            last: Some((4096, Hash::of(b"frame"))),
            proved_to: Some(ProvedTo {
                history: 7,
                named: i64::MIN,
                version: VersionId(Hash::of(b"version")),
                sound: Some(VersionId(Hash::of(b"sound"))),
            }),
            is_whole: true,
            ended: 3,
            ended_at: Some(99),
            damages: [12, 4096].into(),
            versions: [VersionId(Hash::of(b"broken"))].into(),
        }
    }

    #[test]
    fn a_position_comes_back_as_it_was_and_anything_else_is_none() {
        for position in [position(), Position::default()] {
            assert_eq!(Position::parse(&position.text()), Some(position));
        }
        let text = position().text();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let broken = String::from_utf8_lossy(&bytes).into_owned();
            assert_ne!(Position::parse(&broken), Some(position()), "byte {at}");
            let cut = Position::parse(&text[..at]);
            assert!(cut.is_none() || at + 1 == text.len(), "cut at {at}");
        }
    }
}
