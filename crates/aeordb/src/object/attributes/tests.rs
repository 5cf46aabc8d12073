use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::hash::Hash;
use crate::store::memory::MemoryStore;

fn owner() -> impl Strategy<Value = Owner> {
    let number = || 0..=OWNER_NUMBER_MAX;
    let name = || vec(any::<u8>(), 0..12);
    (number(), number(), name(), name()).prop_map(|(user, group, user_name, group_name)| Owner {
        user,
        group,
        user_name,
        group_name,
    })
}

fn value() -> impl Strategy<Value = XattrValue> {
    let lens = XATTR_INLINE_LEN_MAX + 1..=XATTR_LEN_MAX;
    prop_oneof![
        vec(any::<u8>(), 0..=XATTR_INLINE_LEN_MAX).prop_map(XattrValue::Inline),
        (any::<[u8; 32]>(), lens).prop_map(|(id, len)| {
            XattrValue::Chunk(ChunkRef { id: ChunkId(Hash::new(id)), len: len as u32 })
        }),
    ]
}

fn set() -> impl Strategy<Value = AttributeSet> {
    (option::of(owner()), 0..=flags::ALL, btree_map(vec(1u8.., 1..20), value(), 0..6))
        .prop_map(|(owner, flags, xattrs)| AttributeSet { owner, flags, xattrs })
        .prop_filter("says something", |set| !set.is_empty())
}

fn assert_refused_or_same(bytes: &[u8]) {
    if let Ok(set) = AttributeSet::decode(bytes) {
        assert_eq!(set.encode().unwrap(), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_set_reads_back_and_no_change_of_a_byte_is_unseen(
        set in set(), at in any::<prop::sample::Index>(), byte in any::<u8>(), more in any::<u8>(),
    ) {
        let mut bytes = set.encode().unwrap();
        prop_assert_eq!(AttributeSet::decode(&bytes).unwrap(), set);
        let at = at.index(bytes.len());
        prop_assert!(AttributeSet::decode(&bytes[..at]).is_err());
        bytes[at] = byte;
        assert_refused_or_same(&bytes);
        bytes.push(more);
        assert_refused_or_same(&bytes);
    }
}

fn one(name: &[u8], value: XattrValue) -> AttributeSet {
    AttributeSet { xattrs: [(name.to_vec(), value)].into(), ..AttributeSet::default() }
}

#[test]
fn what_cannot_be_stored_is_refused_before_it_is_written() {
    let none = || XattrValue::Inline(Vec::new());
    let chunk = |len| XattrValue::Chunk(ChunkRef { id: ChunkId::of(b"x"), len });
    let owner = |owner| AttributeSet { owner: Some(owner), ..AttributeSet::default() };
    let many = (0..XATTR_NAMES_LEN_MAX / 8 + 1)
        .map(|number| (format!("{number:07}").into_bytes(), none()));
    let bad = [
        ("nothing", AttributeSet::default()),
        ("an unknown flag", AttributeSet { flags: 8, ..AttributeSet::default() }),
        ("a user who is none", owner(Owner { user: u32::MAX, ..Owner::default() })),
        ("a long name", owner(Owner { user_name: vec![b'x'; 256], ..Owner::default() })),
        ("an attribute without a name", one(b"", none())),
        ("a NUL in a name", one(b"user.\0", none())),
        ("an attribute with a long name", one(&[b'x'; 256], none())),
        ("a long value in the set", one(b"user.x", XattrValue::Inline(vec![0; 65]))),
        ("a short value in a chunk", one(b"user.x", chunk(64))),
        ("a value that is too long", one(b"user.x", chunk(64 * 1024 + 1))),
        ("too many", AttributeSet { xattrs: many.collect(), ..AttributeSet::default() }),
    ];
    for (text, set) in bad {
        assert!(set.encode().is_err(), "{text} was encoded");
    }
}

#[test]
fn what_a_newer_program_says_of_a_file_is_not_called_damage() {
    for bytes in [&[8, 0][..], &[2, 8][..], &[2, 0x80, 1][..]] {
        let error = AttributeSet::decode(bytes).unwrap_err();
        assert!(matches!(error, Error::Newer { .. }), "{bytes:?}: {error}");
    }
    for bytes in [&[0][..], &[2, 0][..], &[4, 0][..], &[][..]] {
        let error = AttributeSet::decode(bytes).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{bytes:?}: {error}");
    }
}

#[test]
fn as_many_attributes_as_a_system_allows_fit_an_entry() {
    // The shortest names that a system takes, and each value as long as may be in the set.
    let names = (0..XATTR_NAMES_LEN_MAX / 7).map(|number| {
        let value = XattrValue::Inline(vec![0; XATTR_INLINE_LEN_MAX]);
        (format!("u.{number:04x}").into_bytes(), value)
    });
    let set = AttributeSet { xattrs: names.collect(), ..AttributeSet::default() };
    let bytes = set.encode().unwrap();
    assert_eq!(AttributeSet::decode(&bytes).unwrap(), set);
}

#[test]
fn values_come_back_from_the_set_or_from_a_chunk() {
    let mut store = MemoryStore::default();
    let mut set = AttributeSet { flags: flags::NODUMP, ..AttributeSet::default() };
    let lens = [0, 1, XATTR_INLINE_LEN_MAX, XATTR_INLINE_LEN_MAX + 1, XATTR_LEN_MAX];
    for len in lens {
        let value = XattrValue::store(&mut store, &vec![7; len]).unwrap();
        set.xattrs.insert(format!("user.{len}").into_bytes(), value);
    }
    assert!(XattrValue::store(&mut store, &vec![7; XATTR_LEN_MAX + 1]).is_err());
    let id = set.store(&mut store).unwrap().unwrap();
    let again = AttributeSet::read(&store, &id).unwrap();
    assert_eq!((again.chunks().count(), &again), (2, &set));
    for len in lens {
        let value = &again.xattrs[format!("user.{len}").as_bytes()];
        assert_eq!(value.read(&store).unwrap(), vec![7; len]);
    }
    assert_eq!(AttributeSet::default().store(&mut store).unwrap(), None);
}
