//! The two superblocks of a database. One of them may be lost: a crash tears it, or a disk writes
//! that of another file over it.

use crate::error::{Context, Error, Result};
use crate::format::FrameKind;
use crate::format::commit::Commit;
use crate::format::superblock::{DATABASE_START, FileKind, SLOTS, SUPERBLOCK_LEN, Superblock};
use crate::log::checked::{Damage, small_frame};
use crate::log::frames::{Frames, Seen};
use crate::log::source::Source;

/// What the slots hold.
pub struct Slots {
    /// The superblocks of this file, each with its slot, the newest first; at least one.
    pub sound: Vec<(usize, Superblock)>,
    /// What is wrong with the other slot.
    pub lost: Option<Damage>,
}

impl Slots {
    /// Reads a database's superblocks. An error if none is sound.
    pub fn read(source: &Source) -> Result<Slots> {
        let [a, b] = SLOTS.map(|offset| superblock(source, offset));
        let (mut sound, lost) = match (a, b) {
            (Ok(a), Ok(b)) if (a.file_id, a.kind) == (b.file_id, b.kind) => {
                (vec![(0, a), (1, b)], None)
            }
            (Ok(a), Ok(b)) => own(source, a, b)?,
            (Ok(a), Err(error)) => (vec![(0, a)], Some(lost(source, 1, &a, error)?)),
            (Err(error), Ok(b)) => (vec![(1, b)], Some(lost(source, 0, &b, error)?)),
            // What a newer program wrote may be all that counts.
            (Err(error @ Error::Newer { .. }), Err(_))
            | (Err(_), Err(error @ Error::Newer { .. }))
            // What both slots say is not ours is not ours; otherwise the damage is what counts.
            | (Err(Error::Foreign { .. }), Err(error @ Error::Damaged { .. }))
            | (Err(error), Err(_)) => return Err(error),
        };
        sound.sort_by_key(|(_, superblock)| std::cmp::Reverse(superblock.sequence.get()));
        Ok(Slots { sound, lost })
    }

    /// The newest superblock.
    pub fn newest(&self) -> Option<&Superblock> {
        self.sound.first().map(|(_, superblock)| superblock)
    }
}

fn superblock(source: &Source, offset: u64) -> Result<Superblock> {
    let mut buffer = [0; SUPERBLOCK_LEN];
    let read = source.media().read_at(&mut buffer, offset);
    let read = read.context(|| format!("reading {} at offset {offset}", source.name()))?;
    Superblock::parse(source.name(), offset, buffer.get(..read).unwrap_or_default())
}

/// What is wrong with a slot beside a sound one. One that a newer program wrote is not lost.
fn lost(source: &Source, slot: usize, sound: &Superblock, error: Error) -> Result<Damage> {
    let offset = SLOTS.get(slot).copied().unwrap_or_default();
    if matches!(error, Error::Newer { .. }) && is_of(source, offset, sound)? {
        return Err(error);
    }
    let detail = match error {
        Error::Damaged { detail, .. } => detail,
        Error::Foreign { .. } => "expected a superblock, found other bytes".into(),
        other => other.to_string(),
    };
    Ok(Damage { offset, detail })
}

/// True if what stands at `offset` is whole and names the file of `sound`.
fn is_of(source: &Source, offset: u64, sound: &Superblock) -> Result<bool> {
    let mut buffer = [0; SUPERBLOCK_LEN];
    let read = source.media().read_at(&mut buffer, offset);
    read.context(|| format!("reading {} at offset {offset}", source.name()))?;
    Ok(Superblock::whole(&buffer).is_some_and(|found| found.file_id == sound.file_id))
}

type Own = (Vec<(usize, Superblock)>, Option<Damage>);

/// Two sound superblocks of two files: the one that leads to a commit of its own is that of this
/// file.
fn own(source: &Source, a: Superblock, b: Superblock) -> Result<Own> {
    let (own, foreign) = match (fits(source, 0, &a)?, fits(source, 1, &b)?) {
        (true, false) => ((0, a), 1),
        (false, true) => ((1, b), 0),
        _ => {
            let detail = "the superblocks are those of two files, and it cannot be told whose the \
                          commits are";
            return Err(source.damaged(0, detail));
        }
    };
    let offset = SLOTS.get(foreign).copied().unwrap_or_default();
    let detail = "expected a superblock of this file, found that of another".to_owned();
    Ok((vec![own], Some(Damage { offset, detail })))
}

/// True if the commits of the file are those of this superblock.
fn fits(source: &Source, slot: usize, superblock: &Superblock) -> Result<bool> {
    if superblock.file_kind() != Some(FileKind::Database) {
        // A sealed file has one, at its start, and what follows is anything.
        return Ok(slot == 0 && super::sealed::closing(source, superblock).is_ok());
    }
    let named = superblock.commit.get();
    let at = if named > 0 { Some(named) } else { first_commit(source)? };
    let Some(at) = at else {
        // Nothing was ever committed.
        return Ok(superblock.durable_to.get() == DATABASE_START);
    };
    match small_frame(source, at, FrameKind::Commit) {
        Ok((header, body)) => Ok(Commit::parse(superblock.file_id, at, &header, &body).is_ok()),
        Err(Error::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Offset of the first commit in the file.
fn first_commit(source: &Source) -> Result<Option<u64>> {
    for seen in Frames::new(source, DATABASE_START..source.file_len()?, &[]) {
        if let Seen::Frame(at, header) = seen?
            && header.frame_kind() == Some(FrameKind::Commit)
        {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
