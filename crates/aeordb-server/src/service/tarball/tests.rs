//! Archives as we write them are read by other libraries; archives that are broken are refused.

use std::io::{Cursor, Read, Write};

use tar::EntryType;

use super::{Member, Records, Tarball, Writer};
use aeordb::object::Device;

/// Reads all of an archive; gives how many entries it has if it is whole.
fn entries(bytes: &[u8]) -> Option<usize> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let (mut archive, mut count) = (Tarball::new(file).ok()?, 0);
    while let Some(entry) = archive.next_entry().ok()? {
        archive.contents(&entry).read_to_end(&mut Vec::new()).unwrap();
        count += 1;
    }
    Some(count)
}

#[test]
fn an_archive_that_was_changed_or_cut_off_anywhere_is_read_or_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    builder.append_pax_extensions([("mtime", &b"-1.5"[..])]).unwrap();
    builder.append_data(&mut header, "n".repeat(120), &b"abc"[..]).unwrap();
    builder.append_data(&mut header, "b", &b"abc"[..]).unwrap();
    let whole = builder.into_inner().unwrap();
    assert_eq!(entries(&whole), Some(2));
    for len in 0..whole.len() {
        assert_eq!(entries(&whole[..len]), None, "{len}");
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] = changed[place].wrapping_add(1);
        entries(&changed);
    }
}

fn member<'m>(kind: EntryType, path: &'m [u8], link: &'m [u8], mtime: i64) -> Member<'m> {
    let (device, records) = (Device::default(), Records::default());
    Member { kind, path, link, size: 0, device, owner: None, mode: 0o4751, mtime, records }
}

#[test]
fn names_and_targets_of_every_length_are_read_as_they_were_written() {
    let mut bytes = Vec::new();
    let mut archive = Writer::new(&mut bytes);
    let mut paths = vec![b"./".to_vec(), vec![0xff; 101], b"a/".repeat(2000)];
    for len in (1..260).chain([500, 4095]) {
        let flat = vec![b'n'; len.min(255)];
        let deep: Vec<u8> = b"0123456789/".iter().copied().cycle().take(len).collect();
        // What a split at a slash must not lose: a last name without end, and slashes at borders.
        let late = [&b"d/"[..], &vec![b'l'; len.min(255)]].concat();
        let early = [&vec![b'e'; len.min(255)], &b"/f"[..]].concat();
        paths.extend([flat, deep, late, early]);
    }
    for path in &paths {
        let kind = if path.ends_with(b"/") { EntryType::Directory } else { EntryType::Symlink };
        archive.append(&member(kind, path, path, 5_000_000_000), std::io::empty()).unwrap();
    }
    archive.finish().unwrap();
    let mut found = tar::Archive::new(Cursor::new(&bytes));
    let mut count = 0;
    for (entry, path) in found.entries().unwrap().zip(&paths) {
        let entry = entry.unwrap();
        assert_eq!(entry.path_bytes(), path.as_slice());
        assert_eq!(entry.link_name_bytes().unwrap(), path.as_slice());
        assert_eq!(&entry.header().as_ustar().unwrap().magic, b"ustar\0");
        assert_eq!((entry.header().mtime().unwrap(), entry.header().mode().unwrap()), (5, 0o4751));
        count += 1;
    }
    assert_eq!(count, paths.len());
    assert_eq!(entries(&bytes), Some(paths.len()));
}

#[test]
fn what_a_header_cannot_say_is_in_a_record_of_an_extended_header_with_a_name() {
    let times = [i64::MIN, -1, 0, 999, 1 << 33, (1 << 33) * 1_000_000_000, i64::MAX];
    let mut bytes = Vec::new();
    let mut archive = Writer::new(&mut bytes);
    for time in times {
        let path = format!("d/{time}");
        let member = member(EntryType::Directory, path.as_bytes(), b"", time);
        archive.append(&member, std::io::empty()).unwrap();
    }
    archive.finish().unwrap();
    let mut raw = tar::Archive::new(Cursor::new(&bytes));
    for entry in raw.entries().unwrap().raw(true) {
        let entry = entry.unwrap();
        let (kind, path) = (entry.header().entry_type(), entry.path_bytes().into_owned());
        let path = String::from_utf8(path).unwrap();
        assert_eq!(kind == EntryType::XHeader, path.starts_with("./PaxHeaders/"), "{path}");
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let mut archive = Tarball::new(file).unwrap();
    for time in times {
        assert_eq!(archive.next_entry().unwrap().unwrap().attributes.mtime, Some(time));
    }
}

#[test]
fn an_entry_that_has_not_the_bytes_that_its_header_says_makes_no_archive() {
    for (size, bytes) in [(3, &b"ab"[..]), (1, b"ab"), (0, b"a")] {
        let mut out = Vec::new();
        let member = Member { size, ..member(EntryType::Regular, b"f", b"", 0) };
        assert!(Writer::new(&mut out).append(&member, bytes).is_err());
    }
    // Also where its size has no place in a header: two gigabytes are not read for that.
    let mut out = Vec::new();
    let member = Member { size: 1 << 40, ..member(EntryType::Regular, b"f", b"", 0) };
    assert!(Writer::new(&mut out).append(&member, &b"ab"[..]).is_err());
    let records = String::from_utf8_lossy(&out);
    assert!(records.contains("22 size=1099511627776\n"), "{records}");
}
