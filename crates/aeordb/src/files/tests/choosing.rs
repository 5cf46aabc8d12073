//! What of a tree is put, and what becomes of what is not.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::{Sandbox, at};
use crate::db::Naming;
use crate::files::{
    Choice, Did, Ignored, Listed, MaxDelete, Patterns, PatternsBuilder, PutOptions, PutReport,
    Source, Told, put, put_telling,
};
use crate::monitor::Monitor;

fn write(tree: &LocalPath, name: &str, bytes: impl AsRef<[u8]>) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn patterns(exclude: &[&str], include: &[&str]) -> Patterns {
    let mut patterns = PatternsBuilder::default();
    exclude.iter().for_each(|pattern| patterns.exclude(pattern.as_bytes()).unwrap());
    include.iter().for_each(|pattern| patterns.include(pattern.as_bytes()).unwrap());
    patterns.build().unwrap()
}

fn excluding(exclude: &[&str]) -> Choice {
    Choice { patterns: patterns(exclude, &[]), ..Choice::default() }
}

fn options(choice: Choice, mirror: bool) -> PutOptions {
    let max_delete = MaxDelete::Percent(100);
    PutOptions { choice: Arc::new(choice), mirror, max_delete, ..PutOptions::default() }
}

impl Sandbox {
    fn choose(&self, tree: &LocalPath, choice: Choice) -> PutReport {
        self.put_with(tree, "/", &options(choice, false)).unwrap()
    }

    fn choose_mirrored(&self, tree: &LocalPath, choice: Choice) -> PutReport {
        self.put_with(tree, "/", &options(choice, true)).unwrap()
    }

    /// Everything below the root.
    fn paths(&self) -> Vec<String> {
        let reader = self.database.reader().unwrap();
        let found = reader.walk(&reader.head(), at("/")).unwrap();
        found.map(|found| found.unwrap().0.to_string()).collect()
    }
}

#[test]
fn what_is_excluded_is_not_put_and_is_counted_once() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    for name in ["src/a.rs", "src/a.o", "node_modules/x/y.js", "sub/node_modules/z.js", "keep.o"] {
        write(tree, name, name);
    }
    let sandbox = Sandbox::new();
    let choice =
        Choice { patterns: patterns(&["*.o", "node_modules/"], &["keep.o"]), ..Choice::default() };
    let report = sandbox.choose(tree, choice);
    assert_eq!(sandbox.paths(), ["/keep.o", "/src", "/src/a.rs", "/sub"]);
    assert_eq!((report.excluded, report.files), (3, 2));
}

#[test]
fn with_one_more_local_patterns_see_the_paths_below_the_target() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a/x.txt", "b/x.txt", "c.txt", "d.log"] {
        write(place.path(), name, name);
    }
    let sandbox = Sandbox::new();
    let sources = ["a", "b", "c.txt", "d.log"];
    let sources = sources.map(|name| Source::Path(place.path().join(name)));
    let options = options(excluding(&["/a/x.txt", "*.log", "/x.txt"]), false);
    let report =
        put(&sandbox.database, sources, at("/"), false, &options, &Monitor::new()).unwrap();
    assert_eq!(sandbox.paths(), ["/a", "/b", "/b/x.txt", "/c.txt"]);
    assert_eq!(report.excluded, 2);
}

#[test]
fn a_mirror_takes_what_is_excluded_out_of_the_version_unless_it_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    for name in ["a.txt", "cache/one", "cache/two", "big", "gone.tmp"] {
        write(tree, name, name);
    }
    write(tree, "big", vec![7; 2000]);
    let sandbox = Sandbox::new();
    sandbox.put(tree);
    fs::remove_file(tree.join("gone.tmp")).unwrap();
    fs::remove_file(tree.join("cache/two")).unwrap();
    let choice = || Choice { max_size: Some(1000), ..excluding(&["cache", "*.tmp"]) };
    // What is left out is not deleted where nothing is.
    let report = sandbox.choose(tree, choice());
    assert_eq!((report.files_deleted, report.excluded), (0, 2));
    let kept = Choice { keep_excluded: true, ..choice() };
    let report = sandbox.choose_mirrored(tree, kept);
    assert_eq!((report.files_deleted, report.excluded), (0, 2));
    let all = ["/a.txt", "/big", "/cache", "/cache/one", "/cache/two", "/gone.tmp"];
    assert_eq!(sandbox.paths(), all);
    let report = sandbox.choose_mirrored(tree, choice());
    assert_eq!(sandbox.paths(), ["/a.txt"]);
    // `gone.tmp` went although it is there no more: the pattern is what would have kept it.
    assert_eq!((report.files_deleted, report.files_left_out), (4, 4));
}

#[test]
fn a_mirror_that_deletes_too_much_because_of_patterns_is_refused_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    (0..20).for_each(|number| write(place.path(), &format!("{number}.log"), "log"));
    write(place.path(), "a.txt", "a");
    let sandbox = Sandbox::new();
    sandbox.put(place.path());
    let head = sandbox.head();
    let usual = PutOptions {
        choice: Arc::new(excluding(&["*.log"])),
        mirror: true,
        ..PutOptions::default()
    };
    let monitor = Monitor::new();
    let sources = vec![Source::Path(place.path().into())];
    let refused = put(&sandbox.database, sources, at("/"), false, &usual, &monitor).unwrap_err();
    assert!(matches!(refused, crate::Error::TooManyDeletions { deleted: 20, .. }), "{refused}");
    let told = monitor.take_warnings();
    assert!(told[0].contains("20 of the files that would be deleted are left out"), "{told:?}");
    assert_eq!(sandbox.head(), head);
}

#[test]
fn of_a_cache_the_directory_and_its_tag_are_put_if_the_tag_is_one() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    let signature = "Signature: 8a477f597d28d172789f06886806bc55\n# cache\n";
    write(tree, "cache/CACHEDIR.TAG", signature);
    write(tree, "cache/deep/object", "object");
    write(tree, "no/CACHEDIR.TAG", "Signature: something else altogether, but long");
    write(tree, "no/object", "object");
    write(tree, "marked/.nobackup", "");
    write(tree, "marked/object", "object");
    let sandbox = Sandbox::new();
    let choice = Choice {
        exclude_caches: true,
        exclude_if_present: vec![b".nobackup".to_vec()],
        ..Choice::default()
    };
    let report = sandbox.choose(tree, choice);
    let paths = ["/cache", "/cache/CACHEDIR.TAG", "/marked", "/marked/.nobackup", "/no"];
    assert_eq!(sandbox.paths(), [&paths[..], &["/no/CACHEDIR.TAG", "/no/object"]].concat());
    assert_eq!(report.excluded, 2);
}

#[test]
fn ignore_files_are_followed_when_asked_the_lowest_first_and_the_command_above_all() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    write(tree, ".gitignore", "*.log\n/only-here\n[b-a]\n");
    write(tree, "sub/.gitignore", "!keep.log\n/local\n");
    for name in ["a.log", "only-here", "sub/only-here", "sub/keep.log", "sub/b.log", "sub/local"] {
        write(tree, name, name);
    }
    write(tree, "sub/deep/local", "local");
    write(tree, "sub/deep/keep.log", "kept");
    let follow = |patterns| Choice {
        ignore_files: vec![b".gitignore".to_vec()],
        patterns,
        ..Choice::default()
    };
    let sandbox = Sandbox::new();
    let monitor = Monitor::new();
    let options = options(follow(patterns(&["deep"], &["b.log"])), false);
    let sources = vec![Source::Path(tree.into())];
    put(&sandbox.database, sources, at("/"), false, &options, &monitor).unwrap();
    let paths = ["/.gitignore", "/sub", "/sub/.gitignore", "/sub/b.log", "/sub/keep.log"];
    assert_eq!(sandbox.paths(), [&paths[..], &["/sub/only-here"]].concat());
    let told = monitor.take_warnings();
    assert!(told[0].contains(".gitignore, line 3, is not followed"), "{told:?}");
    assert_eq!(told.len(), 1);
    // Nobody asked: it is a file as any other.
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.put(tree).files, 10);
}

#[test]
fn a_list_is_put_with_its_directories_and_what_it_lacks_is_said() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    let odd = OsStr::from_bytes(b"caf\xe9.txt");
    for name in ["a/one", "a/two", "b/three", "c/d/e/four", "c/five", "file"] {
        write(tree, name, name);
    }
    fs::write(tree.join(odd), "odd").unwrap();
    let sandbox = Sandbox::new();
    let listed = Listed::new([&b"a/one"[..], b"./c/d", b"caf\xe9.txt", b"none/x", b"file/below"]);
    let choice = Choice { listed: Some(listed.unwrap()), ..excluding(&["five"]) };
    let monitor = Monitor::new();
    let sources = vec![Source::Path(tree.into())];
    let options = options(choice, false);
    let report = put(&sandbox.database, sources, at("/"), false, &options, &monitor).unwrap();
    assert_eq!(sandbox.cat("/a/one"), b"a/one");
    assert_eq!((report.files, report.unreadable, report.excluded), (3, 2, 0));
    let told = monitor.take_warnings();
    assert!(told.iter().any(|told| told.contains("none: not read: it is not there")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("file: not read: ")), "{told:?}");
    assert_eq!(sandbox.paths().len(), 7, "{:?}", sandbox.paths());
}

#[test]
fn who_counts_ahead_counts_what_is_put() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    for name in ["a.txt", "b.log", "deep/c.txt", "deep/d.log", "none/e.txt"] {
        write(tree, name, "12345");
    }
    write(tree, "big", vec![1; 100]);
    let choice = Arc::new(Choice { max_size: Some(50), ..excluding(&["*.log", "none"]) });
    let monitor = Monitor::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    crate::files::count::count(&[tree.into()], &choice, &done, &monitor);
    let progress = monitor.progress();
    assert_eq!((progress.files_expected, progress.bytes_expected), (2, 10));
}

#[test]
fn the_cache_goes_by_the_target_and_what_is_ignored_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| place.path().join(name));
    write(&one, "deep/file", "as it was read");
    write(&two, "deep/file", "of equal length");
    fs::write(two.join("deep/file"), "as it was READ").unwrap();
    let read = fs::metadata(one.join("deep/file")).unwrap().modified().unwrap();
    let times = fs::FileTimes::new().set_modified(read);
    fs::File::options().write(true).open(two.join("deep/file")).unwrap().set_times(times).unwrap();
    let sandbox = Sandbox::new();
    let put = |tree: &LocalPath, ignored| {
        let cache = Some(place.path().join("cache"));
        let options = PutOptions { cache, ignored, ..PutOptions::default() };
        sandbox.put_with(tree, "/t", &options).unwrap()
    };
    put(&one, Ignored::default());
    let all = Ignored { device: true, inode: true, ctime: true };
    // A file of the same length and time is not read, wherever it is.
    let report = put(&two, all);
    assert_eq!((report.files_unchanged, report.files_changed), (1, 0));
    assert_eq!(sandbox.cat("/t/deep/file"), b"as it was read");
    put(&one, Ignored::default());
    let report = put(&two, Ignored { device: true, ..Ignored::default() });
    assert_eq!((report.files_unchanged, report.files_changed), (0, 1));
    assert_eq!(sandbox.cat("/t/deep/file"), b"as it was READ");
}

#[test]
fn a_version_is_named_in_its_own_commit_or_nothing_is_put() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "a", "a");
    let sandbox = Sandbox::new();
    let named = |name: &str| {
        let metadata = [("message".to_owned(), "as asked".to_owned())].into();
        let snapshot = Some(Naming { name: name.into(), metadata });
        PutOptions { snapshot, ..PutOptions::default() }
    };
    let sequence = sandbox.database.sequence();
    let report = sandbox.put_with(place.path(), "/", &named("v1")).unwrap();
    assert_eq!(sandbox.database.sequence(), sequence + 1);
    let snapshot = sandbox.database.reader().unwrap().snapshot("v1").unwrap().unwrap();
    assert_eq!((snapshot.version, &*snapshot.metadata["message"]), (report.version, "as asked"));
    // What did not change is named all the same.
    let again = sandbox.put_with(place.path(), "/", &named("v2")).unwrap();
    assert_eq!(again.version, report.version);
    write(place.path(), "b", "b");
    let taken = sandbox.put_with(place.path(), "/", &named("v1")).unwrap_err();
    assert!(matches!(taken, crate::Error::Exists(_)), "{taken}");
    assert!(sandbox.put_with(place.path(), "/", &named("no name")).is_err());
    let mut long = named("v3");
    long.snapshot.as_mut().unwrap().metadata.insert("long".into(), "x".repeat(20_000));
    assert!(matches!(
        sandbox.put_with(place.path(), "/", &long).unwrap_err(),
        crate::Error::Limit { .. }
    ));
    assert_eq!(sandbox.head(), report.version);
    assert_eq!(sandbox.database.reader().unwrap().snapshots().unwrap().len(), 2);
}

#[test]
fn what_is_told_as_it_goes_is_what_the_versions_differ_by() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    for name in ["same", "changed", "dir/gone", "becomes/below/deep", "file", "gone/a/b"] {
        write(tree, name, name);
    }
    let sandbox = Sandbox::new();
    let tell = |mirror: bool| {
        let mut told = Vec::new();
        let mut take = |Told { did, path, .. }: Told<'_>| {
            told.push((path.to_string(), did));
            Ok(())
        };
        let sources = vec![Source::Path(tree.into())];
        let options = options(Choice::default(), mirror);
        let before = sandbox.head();
        let report = put_telling(
            &sandbox.database,
            sources,
            &at("/x/t"),
            false,
            &options,
            &Monitor::new(),
            Some(&mut take),
        )
        .unwrap();
        told.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut found = Vec::new();
        let reader = sandbox.database.reader().unwrap();
        crate::backup::changes(&reader, &before, &report.version, &mut |change| {
            use crate::backup::Change::{Added, Deleted, Modified, Renamed};
            let did = match change {
                Added { .. } => Did::Added,
                Modified { .. } => Did::Modified,
                Deleted { .. } => Did::Deleted,
                Renamed { .. } => panic!("nothing was renamed"),
            };
            found.push((change.path().to_string(), did));
            Ok(())
        })
        .unwrap();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(told, found);
        told.len()
    };
    assert!(tell(false) > 10);
    assert_eq!(tell(true), 0);
    write(tree, "changed", "other");
    write(tree, "new", "new");
    for gone in ["becomes", "gone"] {
        fs::remove_dir_all(tree.join(gone)).unwrap();
    }
    fs::remove_file(tree.join("file")).unwrap();
    fs::remove_file(tree.join("dir/gone")).unwrap();
    write(tree, "becomes", "a file");
    write(tree, "file/within", "a directory");
    fs::hard_link(tree.join("same"), tree.join("other")).unwrap();
    assert!(tell(true) > 10);
}

#[test]
fn a_put_that_was_given_up_commits_nothing() {
    struct Hangs(Arc<Monitor>);
    impl std::io::Read for Hangs {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            // Whoever waits has lost patience, and then something comes after all.
            assert!(self.0.give_up());
            Ok(0)
        }
    }
    let sandbox = Sandbox::new();
    let (head, monitor) = (sandbox.head(), Arc::new(Monitor::new()));
    let sources = vec![Source::Stream(Box::new(Hangs(monitor.clone())))];
    let stopped =
        put(&sandbox.database, sources, at("/f"), false, &PutOptions::default(), &monitor)
            .unwrap_err();
    assert!(matches!(stopped, crate::Error::Interrupted), "{stopped}");
    assert_eq!(sandbox.head(), head);
}
