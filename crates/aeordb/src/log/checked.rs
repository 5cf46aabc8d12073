//! Frames that are read whole and checked, and what is said of those that do not hold.

use crate::error::{Error, Result};
use crate::format::checkpoint::{self, Checkpoint};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, run};
use crate::log::source::Source;

/// Damage that was found while opening.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub detail: String,
}

/// What an error says of the file.
pub fn damage(error: &Error) -> Damage {
    match error {
        Error::Damaged { offset, detail, .. } => Damage { offset: *offset, detail: detail.clone() },
        other => Damage { offset: 0, detail: other.to_string() },
    }
}

/// Reads a frame that is small enough to be held in memory.
pub fn small_frame(
    source: &Source,
    offset: u64,
    kind: FrameKind,
) -> Result<(FrameHeader, Vec<u8>)> {
    let header = source.header(offset)?;
    if let Some(header) = header.filter(|header| header.frame_kind().is_none()) {
        return source.named(Err(header.newer()));
    }
    let header = header
        .filter(|header| header.frame_kind() == Some(kind))
        .ok_or_else(|| source.damaged(offset, format!("expected a {kind:?} frame, found none")))?;
    let len = header.body_len.get();
    let room = source.file_len()?.saturating_sub(offset);
    let bounded = len <= checkpoint::BODY_LEN_MAX && len <= room;
    let len = usize::try_from(len).ok().filter(|_| bounded).ok_or_else(|| {
        source.damaged(offset, format!("a {kind:?} frame of {len} bytes, {room} are there"))
    })?;
    let body = source.bytes(offset + FRAME_HEADER_LEN as u64, len)?;
    Ok((header, body))
}

/// The checkpoint at `at`, whole.
pub fn parse_checkpoint(source: &Source, file_id: [u8; 16], at: u64) -> Result<Checkpoint> {
    let (header, body) = small_frame(source, at, FrameKind::Checkpoint)?;
    let (header, body) = source.opened(at, header, body)?;
    source.named(Checkpoint::parse(file_id, at, &header, &body))
}

/// Checks every page of a run, and that its header is what was written with them.
pub fn check_run(source: &Source, at: u64, header: &FrameHeader) -> Result<()> {
    let records = u64::from(header.count.get());
    if header.body_len.get() != run::body_len(records) {
        return Err(source.damaged(at, format!("a run of {records} records of another length")));
    }
    let run = checkpoint::RunRef { offset: at.into(), records: records.into() };
    let mut hasher = RunHasher::default();
    for page in 0..run::pages(records) {
        hasher.add(&source.read_page(&run, page)?);
    }
    if header.expected_hash([hasher.0.as_slice()]) != header.hash {
        return Err(source.damaged(at, "a run that does not have the hash it was written with"));
    }
    Ok(())
}

/// A run's hash covers the checks of its pages.
#[derive(Default)]
pub struct RunHasher(pub Vec<u8>);

impl RunHasher {
    /// Adds the next page.
    pub fn add(&mut self, page: &[u8]) {
        let (_, check) = page.split_at(page.len().saturating_sub(run::PAGE_CHECK_LEN));
        self.0.extend_from_slice(check);
    }
}
