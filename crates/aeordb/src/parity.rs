//! Parity: a file beside another from which that is healed without a second copy of it.
//!
//! The other file is cut into pieces of one length, and these are dealt out to sets, so that neighbours are
//! of different ones. Each set gets pieces of parity by Reed and Solomon: as many pieces of it as there
//! are pieces of parity can be computed again, whichever they are. Which ones are bad a table of checks
//! says; it is there twice, and so is the head.
//!
//! What is healed is never believed for that: an export has a hash of all its bytes, and of a database
//! each entry is taken by its name. So parity that is older than the database heals what was there
//! then, and nothing else.

mod checks;
mod code;

use std::ffi::OsString;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use zerocopy::IntoBytes;

use self::checks::{Table, TableWriter};
use crate::db::{Database, FileKind, Options};
use crate::error::{Context, Error, Result};
use crate::format::parity::{HEAD_LEN, MILLIONTHS, ParityHead};
use crate::format::superblock::DATABASE_START;
use crate::media::{FileMedia, Media, open_read};
use crate::monitor::Monitor;
use crate::store::Bitmap;

/// What was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ParityReport {
    /// Bytes that it is for.
    pub bytes: u64,
    /// Pieces that they are cut into.
    pub pieces: u64,
    /// Bytes of a piece.
    pub piece_bytes: u64,
    /// Pieces of parity: as many bad ones can be healed, if they are in one place or spread evenly.
    pub parity_pieces: u64,
    /// Bytes of the file of parity.
    pub file_bytes: u64,
}

/// What was found, and healed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HealReport {
    /// Pieces in all.
    pub pieces: u64,
    /// Pieces that were not what they were.
    pub bad: u64,
    /// Those of them that were computed again.
    pub healed: u64,
    /// Pieces of parity that are bad themselves.
    pub bad_parity: u64,
    /// All is as it was when the parity was made.
    pub is_whole: bool,
}

/// Where the parity of the file at `path` is: its name with `.parity` after it.
pub fn beside(path: &LocalPath) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".parity");
    name.into()
}

/// Makes the parity of the file at `path`, an export, a patch or a database up to its last commit, in the
/// place of an older one. The superblocks of a database are left out: they change with each commit, and
/// there are two of them.
pub fn create(path: &LocalPath, share: f64, monitor: &Monitor) -> Result<ParityReport> {
    // As long as it is open nothing of it is released.
    let database = Database::open(path, &Options { workers: 1, ..Options::default() })?;
    let media = database.log().source().media().clone();
    let (start, end) = match database.kind() {
        FileKind::Database => (DATABASE_START, database.log().end()),
        FileKind::Export | FileKind::Patch => (0, database.log().source().file_len()?),
    };
    let millionths = share * f64::from(MILLIONTHS);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped, and what is no number becomes 1"
    )]
    let millionths = millionths.clamp(1.0, f64::from(MILLIONTHS)) as u32;
    let len = end.saturating_sub(start);
    let head = ParityHead::new(start, len, millionths, database.file_id())?;
    let name = beside(path);
    let old = match FileMedia::open_write(&name) {
        Ok(old) => Some(old),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let new = match &old {
        Some(old) => FileMedia::create_in_place_of(old)?,
        None => FileMedia::create(&name)?,
    };
    let report = write(&*media, &path.display().to_string(), head, &new, monitor)?;
    match &old {
        Some(old) => new.take_place_of(old)?,
        None => {
            new.sync().context(|| format!("syncing {}", name.display()))?;
            new.publish()?;
        }
    }
    Ok(report)
}

/// Makes the parity that `head` describes, of `media`, which is called `name` in errors.
pub fn write(
    media: &dyn Media,
    name: &str,
    mut head: ParityHead,
    out: &dyn Media,
    monitor: &Monitor,
) -> Result<ParityReport> {
    // Once for the checks, once for the code.
    monitor.expect_more(2 * head.len.get());
    let what = || format!("writing the parity of {name}");
    out.set_len(head.file_len()).context(what)?;
    let mut table = TableWriter::new(&head, out);
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; usize::try_from(head.piece()).unwrap_or_default()];
    for number in 0..head.pieces() {
        monitor.check()?;
        let len = read_piece(media, &head, number, 0, &mut piece)
            .context(|| format!("reading {name}"))?;
        hasher.update(piece.get(..len).unwrap_or_default());
        monitor.advance(0, len as u64);
        table.add(&piece).context(what)?;
    }
    head.content = *hasher.finalize().as_bytes();
    for set in 0..head.sets() {
        code::encode(media, name, &head, set, out, monitor)?;
    }
    for number in 0..head.parity_pieces() {
        monitor.check()?;
        out.read_exact_at(&mut piece, head.parity_at(number)).context(what)?;
        table.add(&piece).context(what)?;
    }
    table.finish().context(what)?;
    let head = head.sealed();
    for at in [0, head.file_len() - HEAD_LEN] {
        out.write_at(head.as_bytes(), at).context(what)?;
    }
    Ok(ParityReport {
        bytes: head.len.get(),
        pieces: head.pieces(),
        piece_bytes: head.piece(),
        parity_pieces: head.parity_pieces(),
        file_bytes: head.file_len(),
    })
}

/// Reads from byte `column` of a piece on, as much as `buffer` takes; what is beyond the end is zeros.
/// Returns how many bytes of it are for the piece.
fn read_piece(
    media: &dyn Media,
    head: &ParityHead,
    number: u64,
    column: u64,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    let at = number * head.piece() + column;
    let left = head.len.get().saturating_sub(at);
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    let (covered, rest) = buffer.split_at_mut(len);
    rest.fill(0);
    if !covered.is_empty() {
        media.read_exact_at(covered, head.start.get() + at)?;
    }
    Ok(len)
}

/// The parity beside the file at `path`, opened; `None` if there is none.
pub fn open(path: &LocalPath) -> Result<Option<Arc<dyn Media>>> {
    match open_read(&beside(path)) {
        Ok(media) => Ok(Some(media)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies `damaged`, which is called `name` in errors, to `into`, which is empty, and puts there what
/// `parity` says was there. Nothing of that has been proved.
pub fn heal(
    damaged: &dyn Media,
    name: &str,
    parity: &dyn Media,
    into: &dyn Media,
    monitor: &Monitor,
) -> Result<HealReport> {
    let head = head_of(parity, name)?;
    let table = Table::new(&head, parity);
    let found = copy(damaged, name, &head, &table, into, monitor)?;
    let mut good_parity = Bitmap::new(head.parity_pieces());
    let mut piece = vec![0; usize::try_from(head.piece()).unwrap_or_default()];
    let mut healed =
        HealReport { pieces: head.pieces(), bad: found.bad.len(), ..HealReport::default() };
    for number in 0..head.parity_pieces() {
        monitor.check()?;
        let read = parity.read_exact_at(&mut piece, head.parity_at(number));
        match read.is_ok() && table.is_check_of(head.pieces() + number, &piece) {
            true => drop(good_parity.insert(number)),
            false => healed.bad_parity += 1,
        }
    }
    for set in (0..head.sets()).filter(|_| healed.bad > 0) {
        healed.healed += code::decode(
            &code::Set { head: &head, number: set, bad: &found.bad, good_parity: &good_parity },
            parity,
            into,
            monitor,
        )?;
    }
    healed.is_whole = match healed.bad {
        0 => found.content == head.content,
        bad => bad == healed.healed && content(into, &head, name, monitor)? == head.content,
    };
    Ok(healed)
}

/// The head of a file of parity, whichever of the two is whole.
fn head_of(parity: &dyn Media, name: &str) -> Result<ParityHead> {
    let what = || format!("reading the parity of {name}");
    let len = parity.len().context(what)?;
    for at in [0, len.saturating_sub(HEAD_LEN)] {
        let mut bytes = [0; size_of::<ParityHead>()];
        let read = parity.read_at(&mut bytes, at).unwrap_or_default();
        if let Some(head) = ParityHead::parse(bytes.get(..read).unwrap_or_default())? {
            return Ok(head);
        }
    }
    Err(Error::damaged(format!("the parity of {name}"), 0, "expected a head, found none"))
}

/// What was found while a file was copied.
struct Found {
    bad: Bitmap,
    content: [u8; 32],
}

/// Copies all of a file, and says which pieces are not what they were. What cannot be read is zeros.
fn copy(
    damaged: &dyn Media,
    name: &str,
    head: &ParityHead,
    table: &Table<'_>,
    into: &dyn Media,
    monitor: &Monitor,
) -> Result<Found> {
    let what = || format!("writing what is healed of {name}");
    let len = damaged.len().context(|| format!("examining {name}"))?;
    let (start, covered) = (head.start.get(), head.start.get() + head.len.get());
    monitor.expect_more(len.max(covered));
    into.set_len(len.max(covered)).context(what)?;
    let mut piece = vec![0; usize::try_from(head.piece()).unwrap_or_default()];
    let plain = |from: u64, to: u64| -> Result<()> {
        let mut at = from;
        while at < to {
            monitor.check()?;
            let left = usize::try_from(to - at).unwrap_or(usize::MAX).min(64 * 1024);
            let mut bytes = vec![0; left];
            let read = damaged.read_at(&mut bytes, at).context(|| format!("reading {name}"))?;
            if read == 0 {
                break;
            }
            into.write_at(bytes.get(..read).unwrap_or_default(), at).context(what)?;
            monitor.advance(0, read as u64);
            at += read as u64;
        }
        Ok(())
    };
    plain(0, start.min(len))?;
    plain(covered, len)?;
    let (mut bad, mut hasher) = (Bitmap::new(head.pieces()), blake3::Hasher::new());
    for number in 0..head.pieces() {
        monitor.check()?;
        let read = read_piece(damaged, head, number, 0, &mut piece);
        let len = head.len.get().saturating_sub(number * head.piece()).min(head.piece());
        let len = usize::try_from(len).unwrap_or_default();
        if read.is_err() {
            piece.fill(0);
        }
        if read.is_err() || !table.is_check_of(number, &piece) {
            bad.insert(number);
        }
        let bytes = piece.get(..len).unwrap_or_default();
        hasher.update(bytes);
        into.write_at(bytes, start + number * head.piece()).context(what)?;
        monitor.advance(0, len as u64);
    }
    Ok(Found { bad, content: *hasher.finalize().as_bytes() })
}

/// BLAKE3 of what is covered.
fn content(
    media: &dyn Media,
    head: &ParityHead,
    name: &str,
    monitor: &Monitor,
) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; usize::try_from(head.piece()).unwrap_or_default()];
    for number in 0..head.pieces() {
        monitor.check()?;
        let len = read_piece(media, head, number, 0, &mut piece)
            .context(|| format!("reading what is healed of {name}"))?;
        hasher.update(piece.get(..len).unwrap_or_default());
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Puts a healed file in the place of the export or patch at `path`, if that is then what it was; the
/// hash of all its bytes says so. Otherwise nothing is changed.
pub fn heal_sealed(path: &LocalPath, monitor: &Monitor) -> Result<HealReport> {
    let none = || Error::not_found(format!("the parity {}", beside(path).display()));
    let parity = open(path)?.ok_or_else(none)?;
    let old = FileMedia::open_write(path)?;
    if head_of(&*parity, &path.display().to_string())?.start.get() != 0 {
        let path = path.display();
        return Err(Error::invalid(format!("the parity of {path} is that of a database")));
    }
    let new = FileMedia::create_in_place_of(&old)?;
    let healed = heal(&old, &path.display().to_string(), &*parity, &new, monitor)?;
    if healed.bad > 0 && healed.is_whole {
        new.take_place_of(&old)?;
    }
    Ok(healed)
}

#[cfg(test)]
mod tests;
