use super::*;
use crate::hash::AttributesId;
use crate::store::memory::MemoryStore;

#[test]
fn the_empty_version_is_a_constant() {
    let empty = Version::empty();
    assert_eq!(empty.totals, Totals { files: 0, directories: 1, bytes: 0 });
    assert_eq!(Version::decode(&empty.encode()).unwrap(), empty);
    assert_eq!(Version::read(&MemoryStore::new(), &empty.id()).unwrap(), empty);
    assert_eq!(
        empty.id().to_string(),
        "eb9d62d43432502505f19e7991bb3afbb31774d8ffe4e573ea38ee70e043cb7e"
    );
}

#[test]
fn every_byte_that_is_changed_or_missing_gives_an_error_or_another_version() {
    let totals = Totals { files: 300, directories: 2, bytes: 1 << 40 };
    let plain = Version::new(DirectoryId::of(b"x"), totals);
    let attributes = Attributes::new(0o755, 7);
    let set = Some(AttributesId::of(b"y"));
    for version in [
        plain,
        Version { attributes, ..plain },
        Version { attributes: Attributes { set, ..attributes }, ..plain },
    ] {
        assert_eq!(Version::decode(&version.encode()).unwrap(), version);
        assert_no_change_is_unseen(&version);
    }
}

fn assert_no_change_is_unseen(version: &Version) {
    let bytes = version.encode();
    for at in 0..bytes.len() {
        assert!(Version::decode(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            if let Ok(decoded) = Version::decode(&other) {
                assert_ne!(&decoded, version);
                assert_eq!(decoded.encode(), other);
            }
        }
    }
    assert!(Version::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn flags_of_a_newer_version_are_refused_as_such() {
    let mut bytes = Version::empty().encode();
    bytes[0] = 2;
    assert!(Version::decode(&bytes).unwrap_err().to_string().contains("newer aeordb"));
}
