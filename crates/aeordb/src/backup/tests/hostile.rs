//! Patches that nobody made honestly. They are sealed as the library seals, so that what refuses
//! them is the check of what is in them.

use super::*;
use crate::backup::changes::steps;
use crate::backup::listing;
use crate::error::Error;
use crate::format::block::{self, Class, TableEntry};
use crate::format::change_list::{ChangeListWriter, ChangeRecord, Sort};
use crate::format::delta::{self, Compressor, Section};
use crate::format::link::Link;
use crate::format::seal::Closing;
use crate::graph::{Differ, Step};
use crate::limits::{DELTA_PREFIX_LEN_MAX, DEPTH_MAX, ENTRY_LEN_MAX, PATH_LEN_MAX};
use crate::log::sealed::SealedWriter;
use crate::object::tree::{self, Directories};
use crate::store::ReadEntries;
use crate::store::memory::MemoryStore;

/// Everything that a patch is made of, to be changed before it is written.
pub(super) struct Forge {
    base: VersionId,
    target: VersionId,
    entries: Vec<(Kind, Vec<u8>)>,
    changes: Vec<ChangeRecord>,
    counts: Box<dyn Fn(&mut Closing)>,
}

impl Forge {
    /// The honest patch between two versions of a database, without deltas.
    fn honest(source: &Database, base: VersionId, target: VersionId) -> Forge {
        let reader = source.reader().unwrap();
        let view = reader.view();
        let [from, to] = [base, target].map(|id| reader.version(&id).unwrap());
        let mut entries = vec![(Kind::Version, to.encode())];
        for step in Differ::new(view, Some(&from.root), view, Some(&to.root)) {
            match step.unwrap() {
                Step::Node { bytes, .. } => entries.push((Kind::Directory, bytes.to_vec())),
                Step::Item { after: Some(Item::File(record)), .. } => {
                    let mut bytes = Vec::new();
                    std::io::copy(&mut reader.file(&record), &mut bytes).unwrap();
                    let chunks = chunker::chunks(&bytes).map(|chunk| (Kind::Chunk, chunk.to_vec()));
                    entries.extend(chunks);
                }
                Step::Item { .. } => {}
            }
        }
        let changes = steps(view, &base, &target).unwrap().map(|step| {
            let (path, before, after) = step.unwrap();
            listing::record(&path, before.as_ref(), after.as_ref()).unwrap()
        });
        let (changes, sum) =
            (changes.flatten().collect(), listing::sum_of(view, &base, &target, u64::MAX).unwrap());
        Forge { base, target, entries, changes, counts: Box::new(move |c| sum.fill(c)) }
    }

    /// A patch from the empty version to a tree in a store; what it promises to change is a lie.
    pub(super) fn from_nothing(
        store: &MemoryStore,
        root: DirectoryId,
        entries: Vec<(Kind, Vec<u8>)>,
    ) -> Forge {
        let totals = tree::summary::<Directories, _>(store, &root.0).unwrap().totals;
        let version = Version::new(root, totals.with_itself());
        let mut all = vec![(Kind::Version, version.encode())];
        all.extend(entries);
        Forge {
            base: Version::empty().id(),
            target: version.id(),
            entries: all,
            changes: Vec::new(),
            counts: Box::new(|_| ()),
        }
    }

    fn seal(&self) -> Vec<u8> {
        self.seal_with(|_| ())
    }

    /// Writes its entries as a full export of the target.
    pub(super) fn seal_as_full(&self, totals: Totals) -> Vec<u8> {
        let mut out = Vec::new();
        let pool = Arc::new(crate::pool::Pool::new(1));
        let mut writer = SealedWriter::new(&mut out, pool, None, &self.target, 0, None).unwrap();
        for (kind, bytes) in &self.entries {
            writer.push(*kind, kind.hash(bytes), bytes).unwrap();
        }
        let counts = |closing: &mut Closing| {
            closing.files = totals.files.into();
            closing.directories = totals.directories.into();
        };
        writer.finish(counts).unwrap();
        out
    }

    /// Writes it, with more frames before its own.
    fn seal_with(&self, more: impl FnOnce(&mut SealedWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let pool = Arc::new(crate::pool::Pool::new(1));
        let mut writer =
            SealedWriter::new(&mut out, pool, Some(&self.base), &self.target, 0, None).unwrap();
        let mut list = ChangeListWriter::default();
        for change in &self.changes {
            assert!(list.push(change).unwrap().is_none());
        }
        if let Some(frame) = list.finish().unwrap() {
            writer.push_changes(&frame).unwrap();
        }
        more(&mut writer);
        for (kind, bytes) in &self.entries {
            writer.push(*kind, kind.hash(bytes), bytes).unwrap();
        }
        writer.finish(&*self.counts).unwrap();
        out
    }
}

/// Two versions, a database that has the first, and the honest patch between them.
fn scene() -> (Database, Forge) {
    let source = memory();
    let a =
        commit(&source, &tree([("/d/x", file("x")), ("/gone", file("gone")), ("/m", file("m"))]));
    let b = commit(&source, &tree([("/d/x", file("y")), ("/m", file("m")), ("/new", file("new"))]));
    let database = memory();
    take_bytes(&database, &export_bytes(&source, &a), &promote()).unwrap();
    (database, Forge::honest(&source, a, b))
}

/// Refused, and nothing has changed.
fn refused(database: &Database, bytes: &[u8], what: &str) -> Error {
    let reader = database.reader().unwrap();
    let (head, before) = (reader.head(), tree_of(&reader, &reader.head()));
    let options = ImportOptions { snapshot: Some("hostile".into()), ..promote() };
    let error = match take_bytes(database, bytes, &options) {
        Err(error) => error,
        Ok(report) => panic!("{what} was imported: {report:?}"),
    };
    let reader = database.reader().unwrap();
    assert_eq!((reader.head(), reader.snapshots().unwrap().len()), (head, 0), "{what}");
    assert_eq!(tree_of(&reader, &head), before, "{what}");
    error
}

pub(super) fn damaged(database: &Database, bytes: &[u8], what: &str) {
    let error = refused(database, bytes, what);
    assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
}

#[test]
fn a_forged_patch_that_is_honest_is_taken() {
    let (database, forge) = scene();
    assert_eq!(take_bytes(&database, &forge.seal(), &promote()).unwrap().version, forge.target);
}

#[test]
fn counts_that_lie_are_refused() {
    type Lie = fn(&mut Closing);
    let lies: [(&str, Lie); 9] = [
        ("entries", |c| c.entries += 1),
        ("chunks", |c| c.chunks += 1),
        ("raw bytes", |c| c.raw_bytes = 0.into()),
        ("stored bytes", |c| c.stored_bytes = u64::MAX.into()),
        ("files", |c| c.files += 1),
        ("directories", |c| c.directories += 1),
        ("added", |c| c.files_added += 1),
        ("modified", |c| c.files_modified = u64::MAX.into()),
        ("deleted", |c| c.files_deleted = 0.into()),
    ];
    for (what, lie) in lies {
        let (database, mut forge) = scene();
        let honest = std::mem::replace(&mut forge.counts, Box::new(|_| ()));
        forge.counts = Box::new(move |closing| {
            honest(closing);
            lie(closing);
        });
        damaged(&database, &forge.seal(), what);
    }
}

#[test]
fn a_list_of_changes_that_contradicts_the_trees_is_refused() {
    let record =
        |path: &str, before, after| ChangeRecord { path: path.into(), before, after, mark: [1; 5] };
    let (_, honest) = scene();
    let mut lists: Vec<(&str, Vec<ChangeRecord>)> = Vec::new();
    let list = &honest.changes;
    assert_eq!(list.len(), 3);
    lists.push(("no list", Vec::new()));
    lists.push(("one is missing", list[1..].to_vec()));
    let mut more = list.clone();
    more.push(record("/zzz", Sort::Nothing, Sort::Directory));
    lists.push(("one too many", more));
    let mut absent = list.clone();
    absent.push(record("/zzz", Sort::File, Sort::Nothing));
    lists.push(("a deletion of what was not there", absent));
    let change = |at: usize, change: &dyn Fn(&mut ChangeRecord)| {
        let mut list = list.clone();
        change(&mut list[at]);
        list
    };
    lists.push(("another mark", change(0, &|r| r.mark[4] ^= 1)));
    lists.push(("another path", change(0, &|r| r.path = b"/d/z".to_vec())));
    lists.push(("a file for a directory", change(2, &|r| r.after = Sort::Directory)));
    for path in [
        "",
        "/",
        "d/x",
        "/d/x/",
        "/d//x",
        "/./x",
        "/d/../x",
        "/d/x\0",
        "//x",
        &format!("/{}", "n".repeat(256)),
        &"/nnnn".repeat(PATH_LEN_MAX / 5 + 1),
    ] {
        lists.push(("no path", change(0, &|r| r.path = path.into())));
    }
    lists.push(("out of order", list.iter().rev().cloned().collect()));
    lists.push(("twice the same", list.iter().flat_map(|r| [r.clone(), r.clone()]).collect()));
    for (what, changes) in lists {
        let (database, forge) = scene();
        let forge = Forge { changes, ..forge };
        let error = refused(&database, &forge.seal(), what);
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
    }
}

#[test]
fn what_is_missing_is_counted_whatever_is_missing() {
    let (_, honest) = scene();
    for missing in 0..honest.entries.len() {
        let (database, mut forge) = scene();
        forge.entries.remove(missing);
        let error = refused(&database, &forge.seal(), "a patch that is not whole");
        let Error::Incomplete { version, supplier, .. } = error else { panic!("{error}") };
        assert_eq!((version, supplier), (forge.target, Some(forge.base)));
        // Force skips no hash and no proof.
        let force = ImportOptions { force: true, ..promote() };
        assert!(take_bytes(&database, &forge.seal(), &force).is_err());
    }
}

/// A block whose table says what it likes.
fn block_of(entries: &[(Kind, Hash, &[u8])]) -> (Vec<u8>, Vec<TableEntry>) {
    let table: Vec<TableEntry> = entries
        .iter()
        .map(|(kind, hash, bytes)| TableEntry { hash: *hash, kind: *kind, len: bytes.len() as u32 })
        .collect();
    let raw: Vec<u8> = entries.iter().flat_map(|(_, _, bytes)| bytes.to_vec()).collect();
    (block::encode(Class::of(entries[0].0), &table, &raw, Default::default()).unwrap(), table)
}

#[test]
fn entries_that_do_not_have_their_names_are_refused() {
    let (_, forge) = scene();
    let node = &forge.entries.iter().find(|(kind, _)| *kind == Kind::Directory).unwrap().1;
    let cases: [(&str, Vec<(Kind, Hash, &[u8])>); 6] = [
        ("another name", vec![(Kind::Chunk, Hash::of(b"honest"), b"hostile")]),
        ("a node as a chunk", vec![(Kind::Chunk, Kind::Directory.hash(node), node)]),
        ("a node as a list", vec![(Kind::List, Kind::Directory.hash(node), node)]),
        ("a chunk as a version", vec![(Kind::Version, Hash::of(b"x"), b"x")]),
        ("system data", vec![(Kind::System, Kind::System.hash(b"keys"), b"keys")]),
        ("one name twice", vec![(Kind::Chunk, Hash::of(b"x"), b"x"); 2]),
    ];
    for (what, entries) in cases {
        let (database, forge) = scene();
        let (frame, table) = block_of(&entries);
        let bytes = forge.seal_with(|writer| writer.push_block_here(&frame, &table).unwrap());
        damaged(&database, &bytes, what);
    }
}

#[test]
fn a_version_that_is_none_is_refused() {
    let (database, mut forge) = scene();
    for bytes in [&b""[..], b"\0", b"\0no version"] {
        forge.entries[0] = (Kind::Version, bytes.to_vec());
        forge.target = VersionId(Kind::Version.hash(bytes));
        damaged(&database, &forge.seal(), "no version");
    }
    // A directory is none either, whatever it is called.
    let (_, forge) = scene();
    let node = forge.entries.iter().find(|(kind, _)| *kind == Kind::Directory).unwrap().1.clone();
    let target = VersionId(Kind::Directory.hash(&node));
    let forge = Forge { target, ..forge };
    assert!(matches!(
        refused(&database, &forge.seal(), "a directory"),
        Error::Incomplete { .. } | Error::Damaged { .. }
    ));
}

#[test]
fn a_version_or_a_tree_of_a_newer_program_is_not_called_damaged() {
    let newer = [
        (Kind::Version, b"no version".to_vec()),
        (Kind::Directory, vec![16]),
        (Kind::Directory, b"\0\x01a\x02\x09\0".to_vec()),
        (Kind::Directory, b"\0\x01a\x04\x01\x80\x20\0".to_vec()),
    ];
    for (kind, bytes) in newer {
        let (database, mut forge) = scene();
        let root = DirectoryId(kind.hash(&bytes));
        let version = match kind {
            Kind::Version => bytes.clone(),
            _ => Version::new(root, Totals { files: 1, directories: 1, bytes: 0 }).encode(),
        };
        forge.target = VersionId(Kind::Version.hash(&version));
        forge.entries[0] = (Kind::Version, version);
        forge.entries.push((Kind::Directory, bytes.clone()));
        let error = refused(&database, &forge.seal(), "newer");
        assert!(matches!(error, Error::Newer { .. }), "{kind:?} {bytes:?}: {error}");
    }
}

/// A leaf of a directory with these names and items.
fn leaf(entries: &[(&[u8], Item)]) -> Vec<u8> {
    let mut out = vec![0];
    for (name, item) in entries {
        let value = item.encode().unwrap();
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        assert!(value.len() < 0x80);
        out.push(value.len() as u8);
        out.extend_from_slice(&value);
    }
    out
}

#[test]
fn names_that_are_none_are_refused() {
    let item = || Item::File(FileRecord::empty());
    let cases: [(&str, Vec<&[u8]>); 8] = [
        ("empty", vec![b""]),
        ("dot", vec![b"."]),
        ("dots", vec![b".."]),
        ("a slash", vec![b"a/../b"]),
        ("a leading slash", vec![b"/etc"]),
        ("NUL", vec![b"a\0b"]),
        ("one name twice", vec![b"a", b"a"]),
        ("out of order", vec![b"b", b"a"]),
    ];
    for (what, names) in cases {
        let database = memory();
        let entries: Vec<(&[u8], Item)> = names.into_iter().map(|name| (name, item())).collect();
        let node = leaf(&entries);
        let root = DirectoryId::of(&node);
        let totals = Totals { files: entries.len() as u64, directories: 1, bytes: 0 };
        let version = Version::new(root, totals);
        let forge = Forge {
            base: Version::empty().id(),
            target: version.id(),
            entries: vec![(Kind::Version, version.encode()), (Kind::Directory, node)],
            changes: Vec::new(),
            counts: Box::new(|_| ()),
        };
        damaged(&database, &forge.seal(), what);
    }
}

#[test]
fn names_that_look_strange_are_names() {
    let names: [&[u8]; 9] = [
        b"\\",
        b"a\r\nb",
        b"\xff\xfe",
        "\u{202e}gnp.exe".as_bytes(),
        "\u{200b}".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        b"CON",
        b"con",
    ];
    let source = memory();
    let mut writer = source.writer().unwrap();
    let mut sorted = names;
    sorted.sort();
    let changes = sorted.map(|name| {
        let path = Path::root().join(&object::Name::new(name).unwrap()).unwrap();
        (path, Some(Item::File(FileRecord::empty())))
    });
    let root = Version::empty().root;
    let version = object::apply(writer.entries(), &root, changes).unwrap();
    let version = writer.add_version(&version).unwrap();
    writer.set_head(version, "test").unwrap();
    writer.commit().unwrap();
    let database = memory();
    let patch = patch_bytes(&source, &Version::empty().id(), &version);
    take_bytes(&database, &patch, &promote()).unwrap();
    let reader = database.reader().unwrap();
    let kept: Vec<_> = reader
        .list(&version, &Path::root(), None)
        .unwrap()
        .map(|entry| entry.unwrap().0.as_bytes().to_vec())
        .collect();
    assert_eq!(kept, sorted);
}

#[test]
fn a_tree_that_is_split_otherwise_is_refused() {
    // Entries that an honest builder would put into one node, in two.
    let item = || Item::File(FileRecord::empty());
    let (first, second) = (leaf(&[(b"a", item())]), leaf(&[(b"b", item())]));
    let mut top = vec![1];
    for (name, node) in [(b"a", &first), (b"b", &second)] {
        top.push(1);
        top.extend_from_slice(name);
        top.extend_from_slice(Kind::Directory.hash(node).as_bytes());
        // One entry, one file, no directory, no bytes.
        top.extend_from_slice(&[1, 1, 0, 0]);
    }
    let totals = Totals { files: 2, directories: 1, bytes: 0 };
    let version = Version::new(DirectoryId::of(&top), totals);
    let nodes = [first, second, top].map(|node| (Kind::Directory, node));
    let mut entries = vec![(Kind::Version, version.encode())];
    entries.extend(nodes);
    let forge = Forge {
        base: Version::empty().id(),
        target: version.id(),
        entries,
        changes: Vec::new(),
        counts: Box::new(|_| ()),
    };
    damaged(&memory(), &forge.seal(), "another split");
}

#[test]
fn directories_that_say_more_than_they_hold_are_refused() {
    let totals = Totals { files: 1 << 40, directories: 1, bytes: u64::MAX };
    let lying =
        Item::Directory(Subdirectory { totals, ..Subdirectory::empty(Attributes::default()) });
    let node = leaf(&[(b"d", lying)]);
    let version = Version::new(DirectoryId::of(&node), Totals { directories: 2, ..totals });
    let forge = Forge {
        base: Version::empty().id(),
        target: version.id(),
        entries: vec![(Kind::Version, version.encode()), (Kind::Directory, node)],
        changes: Vec::new(),
        counts: Box::new(|_| ()),
    };
    damaged(&memory(), &forge.seal(), "totals");
}

/// Directories within directories: `width` entries of each lead to the next.
fn nested(depth: usize, width: u8) -> (MemoryStore, DirectoryId, Vec<(Kind, Vec<u8>)>) {
    let mut store = MemoryStore::new();
    let mut entries = Vec::new();
    let mut item = Item::File(FileRecord::empty());
    let mut root = DirectoryId(empty_root(Kind::Directory));
    for _ in 0..depth {
        let value = item.encode().unwrap();
        let named = (0..width).map(|name| (vec![b'a' + name], value.clone()));
        let built = tree::build::<Directories, _, _, _>(&mut store, named).unwrap();
        root = DirectoryId(built.root);
        entries.push((Kind::Directory, store.read(Kind::Directory, &built.root).unwrap().to_vec()));
        item = Item::Directory(Subdirectory::new(root, built.summary.totals));
    }
    (store, root, entries)
}

#[test]
fn a_tree_that_is_too_deep_is_refused_without_recursion() {
    for depth in [DEPTH_MAX + 1, 20_000] {
        let (store, root, entries) = nested(depth, 1);
        let forge = Forge::from_nothing(&store, root, entries);
        let error = refused(&memory(), &forge.seal(), "a deep tree");
        assert!(matches!(error, Error::Limit { .. } | Error::Invalid(_)), "{error}");
    }
}

#[test]
fn a_tree_that_unfolds_to_more_paths_than_can_be_walked_is_refused_at_once() {
    // 2^40 paths in 40 nodes.
    let (store, root, entries) = nested(40, 2);
    let forge = Forge::from_nothing(&store, root, entries);
    damaged(&memory(), &forge.seal(), "a tree of 2^40 paths");
}

/// A delta of chunks that refers to these entries.
fn delta_of(references: Vec<Hash>, prefix: &[u8], entries: &[&[u8]]) -> (Vec<u8>, u64, usize) {
    let raw: Vec<u8> = entries.concat();
    let payload = Compressor::new().compress(prefix, &raw).unwrap();
    let lens = entries.iter().map(|entry| entry.len() as u32).collect();
    let section = Section { kind: Kind::Chunk, references, lens, payload_len: payload.len() };
    let frame = delta::encode(&[], &[], &[(section, payload)]).unwrap();
    (frame, entries.len() as u64, raw.len())
}

fn with_delta(forge: &Forge, (frame, entries, raw_len): &(Vec<u8>, u64, usize)) -> Vec<u8> {
    forge.seal_with(|writer| writer.push_delta_here(frame, *entries, *raw_len).unwrap())
}

#[test]
fn a_delta_that_refers_to_what_is_not_here_is_incomplete() {
    let (database, forge) = scene();
    let compressible = [7; 1000];
    let itself = Hash::of(&compressible);
    // What is nowhere, what comes out of it itself, what comes later in the file.
    let later = Kind::Chunk.hash(b"y");
    for references in [vec![Hash::of(b"nowhere")], vec![itself], vec![later]] {
        let delta = delta_of(references.clone(), &[], &[&compressible]);
        let error = refused(&database, &with_delta(&forge, &delta), "a wrong reference");
        let Error::Incomplete { missing, supplier, .. } = error else { panic!("{error}") };
        assert_eq!((missing, supplier), (1, Some(forge.base)));
    }
    // Two that refer to each other.
    let other = [8; 1000];
    let one = delta_of(vec![Hash::of(&other)], &[], &[&compressible]);
    let two = delta_of(vec![itself], &[], &[&other]);
    let bytes = forge.seal_with(|writer| {
        for (frame, entries, raw_len) in [&one, &two] {
            writer.push_delta_here(frame, *entries, *raw_len).unwrap();
        }
    });
    assert!(matches!(refused(&database, &bytes, "a loop"), Error::Incomplete { .. }));
}

#[test]
fn a_delta_with_a_wrong_reference_is_not_what_was_asked_for() {
    // The reference is there, but another was compressed against: what comes out has no name that
    // anything asks for, or does not come out at all.
    let (database, mut forge) = scene();
    let wanted = forge.entries.iter().position(|(_, bytes)| bytes == b"new").unwrap();
    forge.entries.remove(wanted);
    let prefix = content(3, 4000, 0);
    let delta = delta_of(vec![Kind::Chunk.hash(b"m")], &prefix, &[&prefix[..2000]]);
    refused(&database, &with_delta(&forge, &delta), "another prefix");
}

#[test]
fn a_delta_that_refers_to_more_than_the_limit_is_refused() {
    let (database, forge) = scene();
    let large = content(1, ENTRY_LEN_MAX, 0);
    let name = Kind::Chunk.hash(&large);
    let mut writer = database.writer().unwrap();
    writer.entries().append(Kind::Chunk, &large).unwrap();
    let head = writer.head();
    writer.set_head(head, "test").unwrap();
    writer.commit().unwrap();
    let references = vec![name; DELTA_PREFIX_LEN_MAX / ENTRY_LEN_MAX + 1];
    let delta = delta_of(references, &[], &[&[1; 500]]);
    let error = refused(&database, &with_delta(&forge, &delta), "a prefix bomb");
    let Error::Limit { limit, .. } = error else { panic!("{error}") };
    assert_eq!(limit, DELTA_PREFIX_LEN_MAX as u64);
}

#[test]
fn links_that_do_not_follow_are_refused() {
    let (_, honest) = scene();
    let (a, b) = (*honest.base.0.as_bytes(), *honest.target.0.as_bytes());
    let elsewhere = [9; 32];
    let cases: [(&str, &[([u8; 32], [u8; 32])], bool); 5] = [
        ("another base", &[(elsewhere, b)], false),
        ("another target", &[(a, elsewhere)], false),
        ("a gap", &[(a, elsewhere), (b, b)], false),
        ("a link too many", &[(a, b), (b, elsewhere)], false),
        ("the patch itself", &[(a, b)], true),
    ];
    for (what, links, sound) in cases {
        let (database, forge) = scene();
        let bytes = forge.seal_with(|writer| {
            for (base, target) in links {
                writer.push_link(&Link { base: *base, target: *target }).unwrap();
            }
        });
        match sound {
            true => drop(take_bytes(&database, &bytes, &promote()).unwrap()),
            false => damaged(&database, &bytes, what),
        }
    }
}

#[test]
fn full_exports_with_counts_that_lie_are_refused() {
    let source = memory();
    let a = commit(&source, &tree([("/d/x", file("x"))]));
    let reader = source.reader().unwrap();
    for lie in [
        (|closing: &mut Closing| closing.files += 1) as fn(&mut Closing),
        |closing| closing.directories += 1,
        |closing| closing.entries = u64::MAX.into(),
        |closing| closing.chunks = 0.into(),
    ] {
        let mut out = Vec::new();
        let pool = Arc::new(crate::pool::Pool::new(1));
        let mut writer = SealedWriter::new(&mut out, pool, None, &a, 0, None).unwrap();
        writer.push(Kind::Version, a.0, &reader.version(&a).unwrap().encode()).unwrap();
        let forge = Forge::honest(&source, Version::empty().id(), a);
        for (kind, bytes) in &forge.entries[1..] {
            writer.push(*kind, kind.hash(bytes), bytes).unwrap();
        }
        writer
            .finish(|closing| {
                (closing.files, closing.directories) = (1.into(), 2.into());
                lie(closing);
            })
            .unwrap();
        damaged(&memory(), &out, "a full export that lies");
    }
}
