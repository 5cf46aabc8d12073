use std::path::Path as LocalPath;
use std::sync::{Arc, mpsc};

use super::edit::{put, remove, rename};
use super::*;
use crate::error::Error;
use crate::gc;
use crate::media::MemoryMedia;
use crate::object::{FileRecord, Item, Path, Totals, Version};

fn database() -> Arc<Database> {
    let media = Arc::new(MemoryMedia::new());
    let path = LocalPath::new("test.aeordb");
    let options = Options { workers: 1, ..Options::default() };
    Arc::new(Database::create_media(media, path, [7; 16], &options).unwrap())
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn put_edit(database: &Arc<Database>, at: &str, bytes: &[u8]) -> Edit {
    let mut upload = Upload::new(database.clone());
    for piece in bytes.chunks(100_000) {
        upload.write(piece).unwrap();
    }
    let item = Item::File(upload.finish_file().unwrap());
    let at = path(at);
    upload.into_edit("put", move |draft| put(draft, &at, item.clone()))
}

fn read(database: &Database, at: &str) -> Option<Vec<u8>> {
    let reader = database.reader().unwrap();
    match reader.item(&reader.head(), path(at)).unwrap() {
        Some(Item::File(record)) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut reader.file(&record), &mut bytes).unwrap();
            Some(bytes)
        }
        _ => None,
    }
}

fn history(database: &Database) -> Vec<String> {
    let reader = database.reader().unwrap();
    reader.history().unwrap().map(|entry| entry.unwrap().what).collect()
}

/// Bytes without repetition.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn edits_that_are_committed_together_are_one_version_and_one_history_entry() {
    let database = database();
    let edits: Vec<Edit> =
        (0..5).map(|n| put_edit(&database, &format!("/d/{n}"), &[n; 10])).collect();
    let outcomes = database.edit_all(&edits);
    let versions: Vec<_> = outcomes.into_iter().map(|done| done.unwrap().version).collect();
    assert!(versions.iter().all(|version| *version == versions[0]));
    assert_eq!(history(&database), ["put (5 edits)"]);
    assert_eq!(read(&database, "/d/3").unwrap(), [3; 10]);
    assert_eq!(database.sequence(), 1);
}

#[test]
fn an_edit_sees_the_edits_before_it_and_one_that_fails_leaves_nothing() {
    let database = database();
    let edits = [
        put_edit(&database, "/a/x", b"one"),
        // Fails after its first step.
        Edit::new("bad", |draft| {
            remove(draft, &[path("/a/x")], false)?;
            put(draft, &path("/b"), Item::File(FileRecord::empty()))?;
            remove(draft, &[path("/nothing")], false)
        }),
        // A directory that only exists in the draft is moved with what is in it.
        Edit::new("mv", |draft| rename(draft, &path("/a"), &path("/c"), false)),
        Edit::new("bad", |draft| put(draft, &path("/c/x/y"), Item::File(FileRecord::empty()))),
        put_edit(&database, "/c/z", b"two"),
    ];
    let outcomes = database.edit_all(&edits);
    let ok: Vec<bool> = outcomes.iter().map(|done| done.is_ok()).collect();
    assert_eq!(ok, [true, false, true, false, true]);
    assert_eq!(read(&database, "/c/x").unwrap(), b"one");
    assert_eq!(read(&database, "/c/z").unwrap(), b"two");
    let reader = database.reader().unwrap();
    let left = reader.walk(&reader.head(), Path::root()).unwrap().map(|one| one.unwrap().0);
    assert_eq!(left.collect::<Vec<_>>(), [path("/c"), path("/c/x"), path("/c/z")]);
}

#[test]
fn what_was_removed_in_a_draft_is_not_seen_and_can_be_made_anew() {
    let database = database();
    database.edit(&put_edit(&database, "/d/old", b"old")).unwrap();
    let edits = [
        Edit::new("rm", |draft| remove(draft, &[path("/d")], true)),
        Edit::new("look", |draft| {
            assert!(draft.item(&path("/d/old")).unwrap().is_none());
            Ok(Totals::default())
        }),
        put_edit(&database, "/d/new", b"new"),
        Edit::new("look", |draft| {
            assert!(matches!(draft.item(&path("/d")).unwrap(), Some(Item::Directory(_))));
            assert!(draft.item(&path("/d/old")).unwrap().is_none());
            assert_eq!(draft.whole(&path("/d")).unwrap().totals().files, 1);
            Ok(Totals::default())
        }),
    ];
    assert!(database.edit_all(&edits).iter().all(|done| done.is_ok()));
    assert_eq!((read(&database, "/d/old"), read(&database, "/d/new")), (None, Some(b"new".into())));
}

#[test]
fn everything_can_be_removed() {
    let database = database();
    database.edit(&put_edit(&database, "/d/a", b"a")).unwrap();
    database.remove(&[Path::root()], true).unwrap();
    assert_eq!(database.reader().unwrap().head(), Version::empty().id());
}

#[test]
fn many_callers_share_commits_and_each_is_told() {
    let database = database();
    let committer = Committer::new(database.clone()).unwrap();
    let (done, told) = mpsc::channel();
    // The commits wait for the writer, so that all edits are there when it is free.
    let writer = database.writer().unwrap();
    for n in 0..50 {
        let done = done.clone();
        let edit = put_edit(&database, &format!("/{n}"), format!("file {n}").as_bytes());
        committer.submit(edit, move |outcome| done.send((n, outcome)).unwrap());
    }
    drop(writer);
    drop(committer);
    let mut numbers: Vec<i32> =
        told.try_iter().map(|(n, outcome)| outcome.map(|_| n).unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    assert!(database.sequence() <= 2, "{} commits", database.sequence());
    assert_eq!(read(&database, "/49").unwrap(), b"file 49");
}

#[test]
fn an_upload_is_not_visible_before_its_edit_and_a_collection_in_between_keeps_it() {
    let database = database();
    database.edit(&put_edit(&database, "/small", b"small")).unwrap();
    let bytes = noise(13_000_000);
    let before = database.reader().unwrap().head();
    let edit = put_edit(&database, "/large", &bytes);
    assert_eq!(database.reader().unwrap().head(), before);
    assert!(database.uploads().start().is_some());
    gc::collect(&database, false, &Monitor::new()).unwrap();
    database.edit(&edit).unwrap();
    drop(edit);
    assert!(database.uploads().start().is_none());
    assert_eq!(read(&database, "/large").unwrap(), bytes);
    gc::collect(&database, false, &Monitor::new()).unwrap();
    assert_eq!(read(&database, "/large").unwrap(), bytes);
}

#[test]
fn an_upload_that_ends_early_leaves_only_what_a_collection_takes_away() {
    let database = database();
    let edit = put_edit(&database, "/large", &noise(9_000_000));
    drop(edit);
    let report = gc::collect(&database, false, &Monitor::new()).unwrap();
    assert!(report.bytes_collected > 8_000_000, "{report:?}");
    assert_eq!(read(&database, "/large"), None);
}

#[test]
fn an_upload_that_shared_dead_chunks_with_a_collection_fails_whole() {
    let database = database();
    let bytes = noise(9_000_000);
    database.edit(&put_edit(&database, "/old", &bytes)).unwrap();
    let first = database.reader().unwrap().history().unwrap().next().unwrap().unwrap();
    database.remove(&[path("/old")], false).unwrap();
    let mut writer = database.writer().unwrap();
    writer.forget_history(&[first.sequence]).unwrap();
    writer.commit().unwrap();
    // Its chunks are all there, but dead.
    let edit = put_edit(&database, "/new", &bytes);
    gc::collect(&database, false, &Monitor::new()).unwrap();
    assert!(matches!(database.edit(&edit), Err(Error::Interrupted)));
    assert_eq!(read(&database, "/new"), None);
    database.edit(&put_edit(&database, "/new", &bytes)).unwrap();
    assert_eq!(read(&database, "/new").unwrap(), bytes);
}

#[test]
fn system_data_is_found_by_prefix_and_can_be_taken_away() {
    let database = database();
    let mut writer = database.writer().unwrap();
    for key in ["key/a", "key/b", "kez", "other"] {
        writer.set_system(key.as_bytes(), Some(key.to_uppercase().into())).unwrap();
    }
    writer.commit().unwrap();
    let found = |prefix: &str| -> Vec<(bytes::Bytes, bytes::Bytes)> {
        database.reader().unwrap().system(prefix.as_bytes()).unwrap()
    };
    assert_eq!(found("key/").len(), 2);
    assert_eq!(found("kez"), [("kez".into(), "KEZ".into())]);
    assert_eq!(found("key/")[1], ("key/b".into(), "KEY/B".into()));
    let mut writer = database.writer().unwrap();
    assert_eq!(writer.system(b"kez").unwrap().unwrap(), "KEZ");
    writer.set_system(b"key/b", None).unwrap();
    writer.commit().unwrap();
    assert_eq!(found("key/").len(), 1);
}

#[test]
fn an_edit_that_waits_too_long_for_its_turn_is_busy_and_never_made() {
    let media = Arc::new(MemoryMedia::new());
    let wait_max = Some(Duration::from_millis(20));
    let options = Options { workers: 1, wait_max, ..Options::default() };
    let database = Database::create_media(media, LocalPath::new("t"), [7; 16], &options).unwrap();
    let database = Arc::new(database);
    let committer = Committer::new(database.clone()).unwrap();
    let writer = database.writer().unwrap();
    assert!(matches!(database.writer().err(), Some(Error::Busy(_))));
    let (done, outcomes) = mpsc::channel();
    for n in 0..3 {
        let done = done.clone();
        let edit = put_edit(&database, &format!("/{n}"), b"late");
        committer.submit(edit, move |outcome| done.send(outcome).unwrap());
    }
    for _ in 0..3 {
        let outcome = outcomes.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(matches!(outcome, Err(Error::Busy(_))), "{outcome:?}");
    }
    drop(writer);
    database.edit(&put_edit(&database, "/next", b"next")).unwrap();
    assert_eq!(read(&database, "/next").unwrap(), b"next");
    assert_eq!(read(&database, "/0"), None);
}

#[test]
fn a_held_snapshot_is_removed_by_nobody_until_it_is_released() {
    let database = database();
    let head = database.reader().unwrap().head();
    let named = database.create_snapshot("host/daily", &head, BTreeMap::new()).unwrap();
    database.create_snapshot("other", &head, BTreeMap::new()).unwrap();
    let hold = |held| SnapshotEdit { held: Some(held), ..SnapshotEdit::default() };
    let held = database.edit_snapshot("host/daily", &hold(true)).unwrap();
    assert_eq!(held, Snapshot { held: true, ..named.clone() });
    assert!(matches!(database.delete_snapshot("host/daily"), Err(Error::Held(_))));
    let over = SnapshotEdit { name: Some("host/daily".into()), ..SnapshotEdit::default() };
    assert!(matches!(database.edit_snapshot("other", &over), Err(Error::Exists(_))));
    // The hold goes with the name, and no other snapshot has it.
    let away = SnapshotEdit { name: Some("kept".into()), ..SnapshotEdit::default() };
    assert!(database.edit_snapshot("host/daily", &away).unwrap().held);
    gc::collect(&database, false, &Monitor::new()).unwrap();
    let reader = database.reader().unwrap();
    let all = reader.snapshots().unwrap();
    let all: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.held)).collect();
    assert_eq!(all, [("kept", true), ("other", false)]);
    assert!(matches!(database.delete_snapshot("kept"), Err(Error::Held(_))));
    database.edit_snapshot("kept", &hold(false)).unwrap();
    database.delete_snapshot("kept").unwrap();
    // Who gives the name again begins anew, and nothing is left behind.
    assert!(!database.create_snapshot("kept", &head, BTreeMap::new()).unwrap().held);
    assert_eq!(database.reader().unwrap().system(b"hold/").unwrap(), []);
}

#[test]
fn what_is_said_of_a_snapshot_is_set_and_removed() {
    let database = database();
    let head = database.reader().unwrap().head();
    let metadata = [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let named = database.create_snapshot("v1", &head, metadata.into()).unwrap();
    let edit = |pairs: &[(&str, Option<&str>)]| SnapshotEdit {
        metadata: pairs.iter().map(|(k, v)| ((*k).into(), v.map(Into::into))).collect(),
        ..SnapshotEdit::default()
    };
    let changed = edit(&[("a", None), ("b", Some("3")), ("c", Some("4")), ("d", None)]);
    let changed = database.edit_snapshot("v1", &changed).unwrap();
    assert_eq!(format!("{:?}", changed.metadata), r#"{"b": "3", "c": "4"}"#);
    assert_eq!((changed.created_at, changed.version), (named.created_at, named.version));
    assert_eq!(database.reader().unwrap().snapshot("v1").unwrap(), Some(changed));
    // What says nothing new is no commit.
    let sequence = database.sequence();
    database.edit_snapshot("v1", &edit(&[("b", Some("3"))])).unwrap();
    assert_eq!(database.sequence(), sequence);
    let nothing = database.edit_snapshot("v2", &edit(&[])).unwrap_err();
    assert!(matches!(nothing, Error::NotFound(_)), "{nothing}");
}

#[test]
fn what_no_policy_keeps_goes_by_the_order_of_commits_whatever_the_clock_said() {
    use crate::retention::Rules;
    let times = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let clock = {
        let times = times.clone();
        Clock::from_fn(move || times.load(std::sync::atomic::Ordering::Relaxed))
    };
    let (media, name) = (Arc::new(MemoryMedia::new()), LocalPath::new("test.aeordb"));
    let options = Options { workers: 1, clock, ..Options::default() };
    let database = Database::create_media(media, name, [7; 16], &options).unwrap();
    let head = database.reader().unwrap().head();
    // The clock runs backwards.
    for (n, name) in ["a/1", "a/2", "b/1", "a/3", "b/2"].into_iter().enumerate() {
        times.store(1_000_000_000 * (100 - n as i64), std::sync::atomic::Ordering::Relaxed);
        database.create_snapshot(name, &head, BTreeMap::new()).unwrap();
    }
    let latest = || database.reader().unwrap().resolve("latest").is_ok();
    assert!(latest());
    let hold = SnapshotEdit { held: Some(true), name: Some("a/0".into()), ..Default::default() };
    database.edit_snapshot("a/1", &hold).unwrap();
    let zone = jiff::tz::TimeZone::UTC;
    let goes = |judged: Vec<Judged>| {
        let goes = judged.into_iter().filter(|one| one.reasons.is_empty());
        goes.map(|one| one.snapshot.name).collect::<Vec<_>>()
    };
    let last = |count| Rules { last: count, ..Rules::default() };
    let all = Policy { rules: last(1), ..Policy::default() };
    let grouped = Policy { group_by: vec!["prefix".into()], ..all.clone() };
    assert_eq!(goes(database.keep(&[all], &zone, true).unwrap()), ["a/2", "a/3", "b/1"]);
    let would = database.keep(std::slice::from_ref(&grouped), &zone, true).unwrap();
    assert_eq!(goes(would), ["a/2", "b/1"]);
    // Nothing is kept yet; then each pattern has one policy, and several never take more.
    assert!(matches!(database.keep(&[], &zone, false), Err(Error::Invalid(_))));
    let named = |name: &str, rules| Policy { name: Some(name.into()), rules, ..Policy::default() };
    database.set_policy(&named("b/*", last(9))).unwrap();
    database.set_policy(&named("b/*", last(1))).unwrap();
    database.set_policy(&named("*2", last(5))).unwrap();
    assert!(database.set_policy(&named("b/*", last(0))).is_err());
    assert_eq!(database.reader().unwrap().policies().unwrap().len(), 2);
    let judged = database.keep(&[], &zone, false).unwrap();
    assert_eq!(judged.len(), 3);
    assert_eq!(goes(judged), ["b/1"]);
    let left = database.reader().unwrap().snapshots().unwrap();
    assert_eq!(left.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["a/0", "a/2", "a/3", "b/2"]);
    // A name that went has no number left behind.
    assert_eq!(database.reader().unwrap().snapshots_made().unwrap().len(), 4);
    database.remove_policy(Some("b/*")).unwrap();
    assert!(matches!(database.remove_policy(Some("b/*")), Err(Error::NotFound(_))));
}
