//! Writes tar archives in the pax form alone: ustar headers, and before those that cannot say all of
//! an entry an extended header with what they cannot. Every program that reads tar knows the one,
//! and the extended header has a name, which some insist on.

use std::io::{self, Read, Write};

use aeordb::object::{Device, Owner};
use tar::{EntryType, Header};

use super::BLOCK_LEN;
use super::extended::{write_device, write_owner};
use super::pax::{Records, seconds};

/// What the name of an extended header begins with: where a program that does not know them puts it.
const EXTENSIONS: &[u8] = b"./PaxHeaders/";
/// Bytes of the fields of a ustar header for a name, and for the directories before it.
const NAME_LEN: usize = 100;
const PREFIX_LEN: usize = 155;
/// What is beyond a number of 11 octal digits.
const NUMBER_END: u64 = 1 << 33;

/// An entry to be written.
pub struct Member<'m> {
    pub kind: EntryType,
    /// Its path; a directory's ends in `/`.
    pub path: &'m [u8],
    /// The target of a link.
    pub link: &'m [u8],
    pub size: u64,
    /// Its numbers, if it is a device.
    pub device: Device,
    /// Whose it is, if that is known.
    pub owner: Option<&'m Owner>,
    pub mode: u32,
    /// Last modification, in nanoseconds since 1970.
    pub mtime: i64,
    /// Records for its extended header, beside those that its other fields need.
    pub records: Records,
}

/// Writes an archive entry by entry.
pub struct Writer<'w> {
    out: &'w mut dyn Write,
}

impl<'w> Writer<'w> {
    /// An archive into `out`. It is whole once it is finished.
    pub fn new(out: &'w mut dyn Write) -> Self {
        Writer { out }
    }

    /// Writes an entry with its bytes.
    pub fn append(&mut self, member: &Member<'_>, contents: impl Read) -> io::Result<()> {
        let (header, records) = describe(member);
        if !records.is_empty() {
            self.extend(member, records.as_bytes())?;
        }
        self.out.write_all(header.as_bytes())?;
        self.copy(contents, member.size)
    }

    /// Writes the end.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK_LEN])
    }

    fn extend(&mut self, member: &Member<'_>, records: &[u8]) -> io::Result<()> {
        let mut components = member.path.rsplit(|byte| *byte == b'/');
        let last = components.find(|name| !matches!(*name, b"" | b".")).unwrap_or(b"root");
        let last = last.get(..NAME_LEN - EXTENSIONS.len()).unwrap_or(last);
        let mut header = Header::new_ustar();
        fill(&mut header.as_old_mut().name, &[EXTENSIONS, last].concat());
        header.set_entry_type(EntryType::XHeader);
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.set_device_major(0);
            ustar.set_device_minor(0);
        }
        write_owner(None, &mut header, &mut Records::default());
        number(&mut header, 0o644, records.len() as u64, whole_seconds(member.mtime));
        self.out.write_all(header.as_bytes())?;
        self.copy(records, records.len() as u64)
    }

    /// Writes `len` bytes, and what fills their last block.
    fn copy(&mut self, mut contents: impl Read, len: u64) -> io::Result<()> {
        let copied = io::copy(&mut contents, self.out)?;
        if copied != len {
            let detail = format!("an entry of {len} bytes has {copied}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
        }
        let over = usize::try_from(len % BLOCK_LEN as u64).unwrap_or(0);
        self.out.write_all([0; BLOCK_LEN].get(over..).filter(|_| over > 0).unwrap_or_default())
    }
}

/// The header of an entry, and the records of what it does not hold.
fn describe(member: &Member<'_>) -> (Header, Records) {
    let mut records = Records::default();
    let mut header = Header::new_ustar();
    header.set_entry_type(member.kind);
    let path = place(&mut header, member.path);
    let link = fill(&mut header.as_old_mut().linkname, member.link);
    if !path && !member.path.is_ascii() || !link && !member.link.is_ascii() {
        // Names are bytes: whoever takes them for UTF-8 may not know how to say them.
        records.push("hdrcharset", b"BINARY");
    }
    if !path {
        records.push("path", member.path);
    }
    if !link {
        records.push("linkpath", member.link);
    }
    if member.size >= NUMBER_END {
        records.push("size", member.size.to_string().as_bytes());
    }
    let time = whole_seconds(member.mtime);
    if time.checked_mul(1_000_000_000) != u64::try_from(member.mtime).ok() || time >= NUMBER_END {
        records.push("mtime", seconds(member.mtime).as_bytes());
    }
    write_owner(member.owner, &mut header, &mut records);
    write_device(member.device, &mut header, &mut records);
    records.extend(&member.records);
    number(&mut header, member.mode, member.size, time);
    (header, records)
}

/// Puts the numbers of an entry into its header, and their sum. One that is too large for octal
/// digits is in binary, for whoever reads no extended header.
fn number(header: &mut Header, mode: u32, size: u64, time: u64) {
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(time);
    header.set_cksum();
}

/// The second that a time lies in, if it is in 1970 or later.
fn whole_seconds(mtime: i64) -> u64 {
    u64::try_from(mtime.div_euclid(1_000_000_000)).unwrap_or(0)
}

/// Puts a path into a header, what is too long for the name before a `/` into the prefix; false if
/// it does not fit.
fn place(header: &mut Header, path: &[u8]) -> bool {
    let slash =
        |(at, byte): (usize, &u8)| (*byte == b'/' && path.len() - at - 1 <= NAME_LEN).then_some(at);
    let first = path.iter().enumerate().find_map(slash);
    let split = first.filter(|at| path.len() > NAME_LEN && (1..=PREFIX_LEN).contains(at));
    let parts = split.and_then(|at| Some((path.get(..at)?, path.get(at + 1..)?)));
    match (parts, header.as_ustar_mut()) {
        (Some((prefix, name)), Some(ustar)) if !name.is_empty() => {
            fill(&mut ustar.prefix, prefix) && fill(&mut ustar.name, name)
        }
        _ => fill(&mut header.as_old_mut().name, path),
    }
}

/// Puts as much of `bytes` into a field as it has place for; false if that is not all.
fn fill(field: &mut [u8], bytes: &[u8]) -> bool {
    let len = bytes.len().min(field.len());
    for (to, from) in field.iter_mut().zip(bytes) {
        *to = *from;
    }
    len == bytes.len()
}
