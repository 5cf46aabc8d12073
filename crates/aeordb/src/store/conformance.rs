//! What every home must do alike, by the numbers of its guarantees.

use std::collections::HashSet;

use super::{Home, ReadEntries, Root, Transaction, ViewEntries};
use crate::error::Error;
use crate::format::block::Class;
use crate::format::superblock::EXTENDED;
use crate::hash::{Hash, Kind, VersionId};

/// Opens one home, again and again.
pub type Open<H> = Box<dyn Fn() -> H>;

/// Asks everything of homes that `new` makes, each of them empty.
pub fn check<H: Home>(new: &dyn Fn() -> Open<H>) {
    for question in [
        reads_what_was_appended_and_nothing_else,
        shows_entries_at_once_and_to_views_after_the_commit,
        keeps_what_is_there_already,
        numbers_entries_below_the_limit,
        gives_blocks_that_can_be_appended_as_they_are,
        commits_all_or_nothing,
        refuses_a_commit_after_another,
        takes_back_what_was_not_committed,
        shows_what_was_committed_when_it_is_opened_again,
        says_which_features_its_entries_need,
    ] {
        question(&new());
    }
}

fn entry(number: u64) -> (Kind, Vec<u8>) {
    let kind = if number.is_multiple_of(3) { Kind::Directory } else { Kind::Chunk };
    (kind, format!("entry {number} ").repeat(1 + number as usize % 50).into_bytes())
}

fn append<T: Transaction>(to: &mut T, numbers: std::ops::Range<u64>) -> Vec<(Kind, Hash)> {
    let append = |number| {
        let (kind, bytes) = entry(number);
        (kind, to.append(kind, &bytes).unwrap())
    };
    numbers.map(append).collect()
}

fn root(head: &[u8], before: &Root) -> Root {
    Root { head: Some(VersionId::of(head)), ..before.clone() }
}

fn commit<T: Transaction>(to: &mut T, head: &[u8]) -> Root {
    let before = to.root().clone();
    to.commit(before.sequence, root(head, &before)).unwrap()
}

/// 1 and 2.
fn reads_what_was_appended_and_nothing_else<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let appended = append(&mut *begun, 0..100);
    commit(&mut *begun, b"one");
    drop(begun);
    let view = home.view().unwrap();
    for (number, (kind, hash)) in (0..).zip(&appended) {
        assert_eq!(view.read(*kind, hash).unwrap(), entry(number).1);
        let place = view.locate(hash).unwrap().expect("what can be read is found");
        assert_eq!(view.len_of(&place, *kind, hash).unwrap(), entry(number).1.len() as u64);
        assert!(view.read(Kind::Version, hash).is_err(), "it is no version");
    }
    let absent = Hash::of(b"nobody");
    assert!(view.locate(&absent).unwrap().is_none());
    assert!(matches!(view.read(Kind::Chunk, &absent), Err(Error::NotFound(_))));
}

/// 3.
fn shows_entries_at_once_and_to_views_after_the_commit<H: Home>(open: &Open<H>) {
    let home = open();
    let before = home.view().unwrap();
    let mut begun = home.begin().unwrap();
    let (kind, hash) = append(&mut *begun, 1..2).remove(0);
    assert_eq!(begun.read(kind, &hash).unwrap(), entry(1).1, "at once, packed");
    assert!(begun.contains(&hash).unwrap() && begun.is_dirty());
    begun.flush().unwrap();
    assert_eq!(begun.read(kind, &hash).unwrap(), entry(1).1, "at once, written");
    assert_eq!(begun.written().read(kind, &hash).unwrap(), entry(1).1);
    let committed = commit(&mut *begun, b"one");
    assert!(!begun.is_dirty());
    drop(begun);
    let after = home.view().unwrap();
    assert_eq!(after.root(), &committed);
    assert_eq!(after.read(kind, &hash).unwrap(), entry(1).1);
    assert!(before.root().sequence < committed.sequence, "a view does not change");
}

/// 4.
fn keeps_what_is_there_already<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let (kind, hash) = append(&mut *begun, 5..6).remove(0);
    assert!(!begun.append_hashed(kind, hash, &entry(5).1).unwrap());
    commit(&mut *begun, b"one");
    let place = begun.locate(&hash).unwrap();
    assert!(!begun.append_hashed(kind, hash, &entry(5).1).unwrap());
    assert!(!begun.is_dirty());
    assert_eq!(begun.locate(&hash).unwrap(), place);
}

/// 5.
fn numbers_entries_below_the_limit<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let mut appended = append(&mut *begun, 0..50);
    commit(&mut *begun, b"one");
    let early = home.view().unwrap();
    let numbers = |view: &H::View, entries: &[(Kind, Hash)]| -> Vec<u64> {
        let number = |(_, hash): &(Kind, Hash)| view.locate(hash).unwrap().unwrap().number;
        entries.iter().map(number).collect()
    };
    let then = numbers(&early, &appended);
    appended.extend(append(&mut *begun, 50..120));
    commit(&mut *begun, b"two");
    drop(begun);
    assert_eq!(numbers(&early, appended.get(..50).unwrap()), then, "as long as the view lives");
    let view = home.view().unwrap();
    let now = numbers(&view, &appended);
    assert!(now.iter().all(|number| *number < view.number_limit()));
    assert_eq!(now.iter().collect::<HashSet<_>>().len(), now.len(), "no two have one number");
}

/// 6.
fn gives_blocks_that_can_be_appended_as_they_are<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let appended = append(&mut *begun, 0..40);
    commit(&mut *begun, b"one");
    drop(begun);
    let view = home.view().unwrap();
    let (kind, hash) = *appended.iter().find(|(kind, _)| *kind == Kind::Chunk).unwrap();
    let place = view.locate(&hash).unwrap().unwrap();
    let block = view.raw_block(&place).unwrap();
    assert_eq!(block.head.class, Class::of(kind));
    let decoded = block.decode(place.block).unwrap();
    assert_eq!(decoded.verified(place.ordinal.into(), place.block).unwrap(), entry(1).1);
    // It goes to a home of another sort as well as to one of the same.
    let other = super::memory::MemoryHome::default();
    let mut begun = other.begin().unwrap();
    begun.append_block(&block).unwrap();
    commit(&mut *begun, b"other");
    drop(begun);
    let other = other.view().unwrap();
    for entry in &block.head.entries {
        let bytes = view.read(entry.kind, &entry.hash).unwrap();
        assert_eq!(other.read(entry.kind, &entry.hash).unwrap(), bytes);
    }
}

/// 7.
fn commits_all_or_nothing<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let first = commit(&mut *begun, b"one");
    let appended = append(&mut *begun, 0..10);
    let second = commit(&mut *begun, b"two");
    assert!(second.sequence > first.sequence && second.time >= first.time);
    assert_eq!(begun.root(), &second);
    drop(begun);
    let view = home.view().unwrap();
    assert_eq!(view.root().head, Some(VersionId::of(b"two")));
    assert!(appended.iter().all(|(_, hash)| view.locate(hash).unwrap().is_some()));
}

/// 7.
fn refuses_a_commit_after_another<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let before = begun.root().clone();
    let one = commit(&mut *begun, b"one");
    let appended = append(&mut *begun, 0..3);
    let late = begun.commit(before.sequence, root(b"late", &before));
    assert!(matches!(late, Err(Error::Busy(_))), "{late:?}");
    assert_eq!(begun.root(), &one);
    drop(begun);
    let view = home.view().unwrap();
    assert_eq!(view.root(), &one);
    assert!(appended.iter().all(|(_, hash)| view.locate(hash).unwrap().is_none()));
}

/// 8.
fn takes_back_what_was_not_committed<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let kept = append(&mut *begun, 0..5);
    let root = commit(&mut *begun, b"one");
    let end = begun.end();
    append(&mut *begun, 5..20);
    begun.rollback();
    assert!(!begun.is_dirty());
    let gone = append(&mut *begun, 20..30);
    begun.flush().unwrap();
    assert!(begun.end() > end);
    drop(begun);
    let mut begun = home.begin().unwrap();
    assert_eq!((begun.root(), begun.end()), (&root, end));
    assert!(gone.iter().all(|(_, hash)| !begun.contains(hash).unwrap()));
    assert!(kept.iter().all(|(_, hash)| begun.contains(hash).unwrap()));
    // It can be had again.
    assert_eq!(append(&mut *begun, 20..30), gone);
    commit(&mut *begun, b"two");
    let view = home.view().unwrap();
    assert!(gone.iter().all(|(kind, hash)| view.read(*kind, hash).is_ok()));
}

/// 3 and 7.
fn shows_what_was_committed_when_it_is_opened_again<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    let appended = append(&mut *begun, 0..200);
    let root = commit(&mut *begun, b"one");
    append(&mut *begun, 200..210);
    drop(begun);
    drop(home);
    let home = open();
    let view = home.view().unwrap();
    assert_eq!(view.root(), &root);
    for (number, (kind, hash)) in (0..).zip(&appended) {
        assert_eq!(view.read(*kind, hash).unwrap(), entry(number).1);
    }
    let lost = Hash::of(&entry(200).1);
    assert!(view.locate(&lost).unwrap().is_none());
}

/// 9.
fn says_which_features_its_entries_need<H: Home>(open: &Open<H>) {
    let home = open();
    let mut begun = home.begin().unwrap();
    commit(&mut *begun, b"one");
    assert_eq!(home.view().unwrap().required(), 0);
    append(&mut *begun, 0..3);
    begun.require(EXTENDED);
    commit(&mut *begun, b"two");
    assert_eq!(home.view().unwrap().required(), EXTENDED);
    drop(begun);
    drop(home);
    assert_eq!(open().view().unwrap().required(), EXTENDED);
}
