//! Makes the checks and hashes of a file right, so that what lies behind them is reached.

use zerocopy::{FromBytes, IntoBytes};

use crate::format::commit::{Commit, Seal};
use crate::format::run::{PAGE_CHECK_LEN, PAGE_LEN, page_check};
use crate::format::seal::Closing;
use crate::format::superblock::{
    DATABASE_START, FileKind, SEALED_START, SLOTS, SUPERBLOCK_LEN, Superblock,
};
use crate::format::{FRAME_HEADER_LEN, FRAME_MAGIC, FrameHeader, FrameKind};

/// The file with every check and hash made anew, as far as frames can be told apart.
pub fn reseal(data: &[u8]) -> Vec<u8> {
    let mut file = File { bytes: data.to_vec(), ..File::default() };
    let kind = file.superblock(0);
    if kind == Some(FileKind::Database) {
        for slot in SLOTS.into_iter().skip(1) {
            file.superblock(slot);
        }
    }
    let start = if kind == Some(FileKind::Database) { DATABASE_START } else { SEALED_START };
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    while let Some(next) = file.frame(at) {
        at = next;
    }
    file.bytes
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    file_id: [u8; 16],
    seal: Seal,
    previous: [u8; 32],
}

impl File {
    fn superblock(&mut self, slot: u64) -> Option<FileKind> {
        let at = usize::try_from(slot).ok()?;
        let place = self.bytes.get_mut(at..at + SUPERBLOCK_LEN)?;
        let superblock = Superblock::read_from_bytes(&*place).ok()?.sealed();
        place.copy_from_slice(superblock.as_bytes());
        self.file_id = superblock.file_id;
        superblock.file_kind()
    }

    /// Seals the frame at `at`; gives the place of the next.
    fn frame(&mut self, at: usize) -> Option<usize> {
        let offset = at as u64;
        let (before, frame) = self.bytes.split_at_mut_checked(at)?;
        let (place, rest) = frame.split_at_mut_checked(FRAME_HEADER_LEN)?;
        let mut header = FrameHeader::read_from_bytes(&*place).ok()?;
        header.magic = FRAME_MAGIC;
        let body = rest.get_mut(..usize::try_from(header.body_len.get()).ok()?)?;
        header = match header.frame_kind() {
            Some(FrameKind::Run) => {
                let mut checks = Vec::new();
                for (page, number) in body.chunks_mut(PAGE_LEN).zip(0..) {
                    let (records, check) =
                        page.split_at_mut_checked(page.len().checked_sub(PAGE_CHECK_LEN)?)?;
                    check.copy_from_slice(&page_check(offset, number, records));
                    checks.extend_from_slice(check);
                }
                header.sealed([checks.as_slice()])
            }
            Some(FrameKind::Commit) => {
                let (commit, _) = Commit::mut_from_prefix(body).ok()?;
                commit.file_id = self.file_id;
                commit.offset = offset.into();
                commit.previous = self.previous;
                commit.seal = std::mem::take(&mut self.seal).finish();
                let sealed = header.sealed([&*body]);
                self.previous = sealed.hash;
                sealed
            }
            Some(FrameKind::Closing) => {
                let (closing, _) = Closing::mut_from_prefix(body).ok()?;
                closing.offset = offset.into();
                closing.content = *blake3::hash(before).as_bytes();
                header.sealed([&*body])
            }
            Some(FrameKind::Void) => header.sealed([]),
            _ => header.sealed([&*body]),
        };
        if header.frame_kind() != Some(FrameKind::Commit) {
            self.seal.add(offset, &header.hash);
        }
        place.copy_from_slice(header.as_bytes());
        at.checked_add(usize::try_from(header.frame_len()).ok()?)
    }
}
