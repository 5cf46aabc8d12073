use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::codec::kind;
use super::*;
use crate::hash::{AttributesId, ChunkId, DirectoryId};
use crate::limits::*;

fn chunk(number: u8, len: usize) -> ChunkRef {
    ChunkRef { id: ChunkId::of(&[number]), len: u32::try_from(len).unwrap() }
}

fn content() -> impl Strategy<Value = (u64, Content)> {
    let middle = CHUNK_LEN_MIN..=CHUNK_LEN_MAX;
    let inline = (vec((any::<u8>(), middle), 0..INLINE_CHUNKS_MAX), option::of(1..=CHUNK_LEN_MAX))
        .prop_map(|(chunks, last)| {
            let mut chunks: Vec<_> =
                chunks.into_iter().map(|(number, len)| chunk(number, len)).collect();
            chunks.extend(last.map(|len| chunk(0, len)));
            let size = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
            (size, Content::Inline(chunks))
        });
    let list = (9u64..1 << 40, any::<[u8; 32]>()).prop_map(|(chunks, root)| {
        let size = chunks * CHUNK_LEN_MIN as u64 + 5;
        (size, Content::List { root: ListId(Hash::new(root)), chunks })
    });
    prop_oneof![inline, list]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let set = option::of(any::<[u8; 32]>().prop_map(|set| AttributesId(Hash::new(set))));
    let link = option::of((0..2048u16, any::<[u8; 8]>()))
        .prop_map(|link| link.map(|(up, group)| HardLink { up, group }));
    (option::of(0..=MODE_MAX), option::of(any::<i64>()), set, link)
        .prop_map(|(mode, mtime, set, link)| Attributes { mode, mtime, set, link })
}

fn item() -> impl Strategy<Value = Item> {
    let file = (
        content(),
        attributes(),
        option::of("[ -~]{1,40}"),
        btree_map(vec(any::<u8>(), 1..20), vec(any::<u8>(), 0..40), 0..5),
    )
        .prop_map(|((size, content), attributes, content_type, metadata)| {
            let content_hash = content.implied_hash().unwrap_or(Hash::of(b"whole"));
            Item::File(FileRecord {
                size,
                content_hash,
                attributes,
                content_type,
                metadata,
                content,
            })
        });
    let link = (vec(1u8.., 1..50), attributes()).prop_map(|(target, attributes)| {
        Item::Symlink(Symlink { target, attributes: attributes.of_link() })
    });
    let directory = (any::<[u8; 32]>(), attributes(), any::<u64>(), 1u64.., any::<u64>()).prop_map(
        |(root, attributes, files, directories, bytes)| {
            let attributes = Attributes { link: None, ..attributes };
            let totals = Totals { files, directories, bytes };
            Item::Directory(Subdirectory { root: DirectoryId(Hash::new(root)), attributes, totals })
        },
    );
    let device = || (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Device { major, minor });
    let what = prop_oneof![
        Just(SpecialKind::Fifo),
        Just(SpecialKind::Socket),
        device().prop_map(SpecialKind::CharacterDevice),
        device().prop_map(SpecialKind::BlockDevice),
    ];
    let special = (what, attributes())
        .prop_map(|(what, attributes)| Item::Special(Special { what, attributes }));
    prop_oneof![file, link, directory, special]
}

fn assert_refused_or_same(bytes: &[u8]) {
    let totals = Item::totals_of(bytes);
    if let Ok(item) = Item::decode(bytes) {
        assert_eq!(item.encode().unwrap(), bytes);
        assert_eq!(item.totals(), totals.unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn an_item_reads_back_and_no_change_of_a_byte_is_unseen(
        item in item(), at in any::<prop::sample::Index>(), byte in any::<u8>(), more in any::<u8>(),
    ) {
        let mut bytes = item.encode().unwrap();
        prop_assert_eq!(Item::decode(&bytes).unwrap(), item.clone());
        prop_assert_eq!(Item::totals_of(&bytes).unwrap(), item.totals());
        let at = at.index(bytes.len());
        prop_assert!(Item::decode(&bytes[..at]).is_err());
        let old = std::mem::replace(&mut bytes[at], byte);
        if old != byte {
            prop_assert_ne!(Item::decode(&bytes).ok(), Some(item));
        }
        assert_refused_or_same(&bytes);
        bytes[at] = old;
        bytes.push(more);
        prop_assert!(Item::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_refused_or_encode_the_same(kind in 1u8..5, mask in 0u8..64, bytes in vec(any::<u8>(), 0..120)) {
        assert_refused_or_same(&[&[kind, mask], bytes.as_slice()].concat());
    }

    #[test]
    fn small_numbers_everywhere_are_refused_or_encode_the_same(bytes in vec(0u8..4, 0..60)) {
        assert_refused_or_same(&bytes);
    }
}

#[test]
fn a_one_chunk_file_is_small() {
    let one = chunk(1, 1000);
    let file = FileRecord {
        attributes: Attributes::new(0o644, 1_700_000_000_000_000_000),
        ..FileRecord::new(1000, one.id.0, Content::Inline(vec![one]))
    };
    assert_eq!(Item::File(file).encode().unwrap().len(), 1 + 1 + 2 + 2 + 8 + 1 + 32);
}

#[test]
fn the_hash_of_the_empty_file_is_that_of_nothing() {
    let bytes = Item::File(FileRecord::empty()).encode().unwrap();
    assert_eq!(bytes, [kind::FILE, 0, 0, 0]);
    let Item::File(file) = Item::decode(&bytes).unwrap() else { unreachable!() };
    assert_eq!(file.content_hash, Hash::of(b""));
}

#[test]
fn reserved_fields_and_types_need_a_newer_version() {
    for bytes in
        [&[kind::FILE, 0x80, 4, 0][..], &[kind::FILE, 0x80, 32], &[kind::SYMLINK, 1], &[9, 0]]
    {
        let error = Item::decode(bytes).unwrap_err().to_string();
        assert!(error.contains("newer aeordb"), "{error}");
    }
}

#[test]
fn what_cannot_be_stored_is_refused_before_it_is_written() {
    let good = FileRecord::empty();
    let two = vec![chunk(1, CHUNK_LEN_MIN), chunk(2, 5)];
    let size = CHUNK_LEN_MIN as u64 + 5;
    let bad = [
        FileRecord { attributes: Attributes::new(0o100_644, 0), ..good.clone() },
        FileRecord { size: 1, ..good.clone() },
        FileRecord { content_hash: Hash::ZERO, ..good.clone() },
        FileRecord { content_type: Some("a/b\r\nx: y".into()), ..good.clone() },
        FileRecord { content_type: Some(String::new()), ..good.clone() },
        FileRecord { content_type: Some("x".repeat(256)), ..good.clone() },
        FileRecord { metadata: [(vec![], vec![])].into(), ..good.clone() },
        FileRecord { metadata: [(vec![1], vec![0; METADATA_LEN_MAX])].into(), ..good.clone() },
        FileRecord {
            metadata: (0..513u16).map(|n| (n.to_le_bytes().to_vec(), vec![])).collect(),
            ..good.clone()
        },
        FileRecord::new(size + 1, Hash::ZERO, Content::Inline(two.clone())),
        FileRecord::new(size, Hash::ZERO, Content::Inline(two.into_iter().rev().collect())),
        FileRecord::new(1 << 30, Hash::ZERO, Content::List { root: ListId(Hash::ZERO), chunks: 8 }),
        FileRecord::new(
            1 << 30,
            Hash::ZERO,
            Content::List { root: ListId(Hash::ZERO), chunks: 70_000 },
        ),
    ];
    for file in bad {
        let text = format!("{file:?}");
        assert!(Item::File(file).encode().is_err(), "{text} was encoded");
    }
    for target in [vec![], vec![0], vec![b'x'; SYMLINK_LEN_MAX + 1]] {
        let attributes = Attributes::default();
        assert!(Item::Symlink(Symlink { target, attributes }).encode().is_err());
    }
    let with_mode = Symlink { target: b"x".to_vec(), attributes: Attributes::new(0o777, 0) };
    assert!(Item::Symlink(with_mode).encode().is_err());
}

#[test]
fn the_largest_item_fits_a_tree_entry() {
    let chunks = vec![chunk(1, CHUNK_LEN_MAX); INLINE_CHUNKS_MAX];
    let mut metadata: BTreeMap<_, _> =
        (0..511u16).map(|n| (n.to_le_bytes().to_vec(), vec![])).collect();
    metadata.insert(vec![0xff; 3], vec![0; METADATA_LEN_MAX - 3 - 511 * 2]);
    let size = (INLINE_CHUNKS_MAX * CHUNK_LEN_MAX) as u64;
    let file = FileRecord {
        attributes: Attributes::new(MODE_MAX, -1),
        content_type: Some("x".repeat(CONTENT_TYPE_LEN_MAX)),
        metadata,
        ..FileRecord::new(size, Hash::ZERO, Content::Inline(chunks))
    };
    let bytes = Item::File(file).encode().unwrap();
    assert!(bytes.len() < VALUE_LEN_MAX, "{}", bytes.len());
    assert_refused_or_same(&bytes);
}
