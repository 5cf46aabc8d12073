//! FORMAT.md is true: its tables of bytes are those of the structs.

use std::mem::{offset_of, size_of_val};

use zerocopy::FromZeros;

use super::FrameKind;
use crate::hash::Kind;

const FORMAT: &str = include_str!("../../../../FORMAT.md");

/// Name, offset and size of a field.
type Field = (String, usize, usize);

/// The fields of a struct: all of them, or it does not compile.
macro_rules! layout {
    ($module:ident :: $name:ident { $($field:ident),* $(,)? }) => {{
        type Struct = crate::format::$module::$name;
        layout!(@ Struct, $name, $($field),*)
    }};
    ($name:ident { $($field:ident),* $(,)? }) => {{
        type Struct = crate::format::$name;
        layout!(@ Struct, $name, $($field),*)
    }};
    (@ $type:ident, $name:ident, $($field:ident),*) => {{
        let zero = $type::new_zeroed();
        let $type { $($field: _),* } = zero;
        let fields: Vec<Field> = vec![$(
            (stringify!($field).to_owned(), offset_of!($type, $field), size_of_val(&zero.$field))
        ),*];
        (stringify!($name), fields, size_of::<$type>())
    }};
}

/// The rows of the first table with these columns after the heading that ends with `heading`.
fn rows(heading: &str, columns: &str) -> Vec<Vec<String>> {
    let mut lines = FORMAT.lines();
    let found = lines.find(|line| line.starts_with('#') && line.ends_with(heading));
    assert!(found.is_some(), "no heading {heading}");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let mut table = section.skip_while(|line| *line != columns).skip(2);
    let mut rows = Vec::new();
    while let Some(row) = table.next().filter(|line| line.starts_with('|')) {
        let cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        rows.push(cells.collect());
    }
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

/// The fields of a struct, as FORMAT has them, and where they end.
fn written(name: &str) -> (Vec<Field>, usize) {
    let table = rows(&format!("(`{name}`)"), "| offset | size | field | meaning |");
    let field =
        |row: &Vec<String>| (row[2].clone(), row[0].parse().unwrap(), row[1].parse().unwrap());
    let fields: Vec<Field> = table.iter().map(field).collect();
    let end = fields.last().map(|(_, offset, len)| offset + len).unwrap();
    (fields, end)
}

#[track_caller]
fn is_written((name, fields, size): &(&str, Vec<Field>, usize)) {
    let (written, end) = written(name);
    assert_eq!(&written, fields, "{name}");
    assert_eq!(end, *size, "{name}");
}

#[test]
fn every_table_of_bytes_is_the_layout_of_its_struct() {
    let layouts = [
        layout!(superblock::Superblock {
            magic,
            format,
            kind,
            reserved,
            required,
            optional,
            file_id,
            sequence,
            commit,
            durable_to,
            base,
            target,
            reserved_end,
            check,
        }),
        layout!(FrameHeader {
            magic,
            kind,
            codec,
            class,
            reserved,
            body_len,
            count,
            raw_len,
            check,
            hash,
        }),
        layout!(run::Record { hash, block, ordinal, tag }),
        layout!(checkpoint::CheckpointHead { file_id, offset, runs, voids }),
        layout!(checkpoint::RunRef { offset, records }),
        layout!(checkpoint::VoidRef { offset, len }),
        layout!(commit::Commit {
            file_id,
            offset,
            sequence,
            time,
            head,
            snapshots,
            history,
            system,
            previous,
            seal,
            durable_to,
            checkpoint,
            epoch,
            reserved,
        }),
        layout!(seal::Closing {
            offset,
            content,
            target,
            base,
            checkpoint,
            files,
            directories,
            chunks,
            files_added,
            files_modified,
            files_deleted,
            entries,
            raw_bytes,
            stored_bytes,
        }),
        layout!(link::Link { base, target }),
        layout!(cipher::Proof { content, mac }),
        layout!(delta::DeltaHead { context, table_len, table_stored }),
        layout!(parity::ParityHead {
            magic,
            version,
            piece_len,
            start,
            len,
            share,
            reserved,
            file_id,
            content,
            check,
        }),
        layout!(delta::SectionHead { kind, reserved, references, entries, payload_len }),
    ];
    layouts.iter().for_each(is_written);
    let headings = FORMAT.lines().filter(|line| line.starts_with('#') && line.ends_with("`)"));
    assert_eq!(headings.count(), layouts.len(), "a table of bytes is held against nothing");
}

#[test]
fn the_numbers_of_frames_and_entries_are_those_of_the_code() {
    for number in 0..=u8::MAX {
        let find = |heading, columns| {
            let found = rows(heading, columns).into_iter().find(|row| row[0] == number.to_string());
            found.map(|row| row[1].clone())
        };
        let frame = FrameKind::from_u8(number).map(|kind| format!("{kind:?}"));
        assert_eq!(find("(`FrameHeader`)", "| number | frame |"), frame);
        let kind = Kind::from_u8(number).map(|kind| format!("{kind:?}"));
        assert_eq!(find("## Block", "| number | kind of entry |"), kind);
    }
}

#[test]
fn names_of_entries_are_made_with_the_contexts_that_are_written() {
    for row in rows("## Objects", "| kind | context |") {
        let kind = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == row[0]).unwrap();
        let context = row[1].trim_matches('`');
        let hash = blake3::Hasher::new_derive_key(context).update(b"x").finalize();
        assert_eq!(kind.hash(b"x"), hash.into(), "{}", row[0]);
    }
    assert_eq!(Kind::Chunk.hash(b"x"), blake3::hash(b"x").into());
}

/// The bytes that are written in hexadecimal in the row that begins with `what`.
fn vector(what: &str) -> Vec<u8> {
    let row = rows("### Test vectors", "| what | bytes |").into_iter().find(|row| row[0] == what);
    let hex = row.unwrap()[1].trim_matches('`').to_owned();
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn the_test_vectors_of_encryption_are_what_the_code_makes() {
    let key: Vec<u8> = (0..32).collect();
    let key = crate::encryption::FileKey::new(key.try_into().unwrap());
    let cipher = super::cipher::Cipher::new(&key, &FromZeros::new_zeroed()).unwrap();
    let link = super::link::Link { base: [7; 32], target: [7; 32] }.encode();
    assert_eq!(
        cipher.seal(1000, &link).unwrap(),
        vector("a link of 64 bytes 7, as a frame at 1000")
    );
    let closing = super::seal::Closing::default();
    let proof = cipher.proof(1000, [9; 32], &closing);
    let by_key: [u8; 32] = vector("key of proofs").try_into().unwrap();
    let mut hasher = blake3::Hasher::new_keyed(&by_key);
    hasher.update(&1000u64.to_le_bytes()).update(&[9; 32]).update(&[0; 144]);
    assert_eq!(proof.mac, *hasher.finalize().as_bytes());
}
