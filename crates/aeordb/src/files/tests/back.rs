//! Restores over what is there, of parts, and comparisons with what is there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use super::{Sandbox, at, trees};
use crate::error::{Error, Result};
use crate::files::{
    Found, GetOptions, GetReport, Getting, MaxDelete, Overwrite, Part, Patterns, PatternsBuilder,
    compare,
};
use crate::monitor::Monitor;

/// A tree, the sandbox that has it, and a copy that was restored.
struct Scene {
    place: tempfile::TempDir,
    sandbox: Sandbox,
}

impl Scene {
    fn new() -> Scene {
        let place = tempfile::tempdir().unwrap();
        let local = place.path().join("local");
        fs::create_dir_all(local.join("d/deep")).unwrap();
        fs::create_dir_all(local.join("e")).unwrap();
        for name in ["d/a.txt", "d/b.log", "d/deep/c.txt", "e/f.log", "top.txt"] {
            fs::write(local.join(name), name).unwrap();
        }
        fs::hard_link(local.join("d/a.txt"), local.join("e/same.txt")).unwrap();
        symlink("top.txt", local.join("link")).unwrap();
        let sandbox = Sandbox::new();
        sandbox.put(&local);
        let scene = Scene { place, sandbox };
        scene.sandbox.get(&scene.out());
        scene
    }

    fn local(&self) -> PathBuf {
        self.place.path().join("local")
    }

    fn out(&self) -> PathBuf {
        self.place.path().join("out")
    }

    fn parts(&self, paths: &[&str]) -> Vec<Part> {
        let reader = self.sandbox.database.reader().unwrap();
        let part = |path: &&str| {
            let (version, path) = (reader.head(), at(path));
            Part { reader: reader.clone(), version, path }
        };
        paths.iter().map(part).collect()
    }

    fn several(&self, paths: &[&str], to: &LocalPath, options: &GetOptions) -> Result<GetReport> {
        let parts = self.parts(paths);
        Getting { parts: &parts, inside: true, local: to, options }.run(&Arc::new(Monitor::new()))
    }

    fn again(&self, options: &GetOptions) -> GetReport {
        self.sandbox.get_with("/", &self.out(), options).unwrap()
    }

    /// What a restore of everything says that it would do, and its error.
    fn foreseen(&self, to: &LocalPath, options: &GetOptions) -> (Vec<String>, Result<GetReport>) {
        let (parts, mut lines) = (self.parts(&["/"]), Vec::new());
        let getting = Getting { parts: &parts, inside: false, local: to, options };
        let report = getting.foresee(&Arc::new(Monitor::new()), &mut |foreseen| {
            lines.push(line(foreseen.found, &foreseen.path));
            Ok(())
        });
        (lines, report)
    }

    fn compared(&self, options: &GetOptions) -> Vec<String> {
        let (parts, mut lines) = (self.parts(&["/"]), Vec::new());
        compare(&parts[0], &self.out(), options, &Arc::new(Monitor::new()), &mut |foreseen| {
            lines.push(line(foreseen.found, &foreseen.path));
            Ok(())
        })
        .unwrap();
        lines
    }

    fn is_whole(&self) {
        assert_eq!(trees::all(&self.out()), trees::all(&self.local()));
    }
}

fn line(found: Found, path: &[u8]) -> String {
    let letter = match found {
        Found::Added => 'A',
        Found::Modified => 'M',
        Found::Deleted => 'D',
    };
    format!("{letter} {}", String::from_utf8_lossy(path))
}

fn over(overwrite: Overwrite) -> GetOptions {
    GetOptions { overwrite, ..GetOptions::default() }
}

fn mirror() -> GetOptions {
    GetOptions { mirror: true, ..over(Overwrite::IfChanged) }
}

fn patterns(exclude: &[&str], include: &[&str]) -> Patterns {
    let mut patterns = PatternsBuilder::default();
    exclude.iter().for_each(|pattern| patterns.exclude(pattern.as_bytes()).unwrap());
    include.iter().for_each(|pattern| patterns.include(pattern.as_bytes()).unwrap());
    patterns.build().unwrap()
}

/// Files that were not there as they are stored.
fn written(report: &GetReport) -> u64 {
    report.files - report.unchanged
}

fn names(of: &LocalPath) -> Vec<String> {
    let mut names: Vec<String> =
        trees::all(of).into_keys().map(|path| String::from_utf8(path).unwrap()).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names
}

#[test]
fn several_paths_land_under_their_names_and_links_between_them_stay_links() {
    let scene = Scene::new();
    let to = scene.place.path().join("several");
    let paths = ["/d/a.txt", "/e", "/link"];
    let report = scene.several(&paths, &to, &GetOptions::default()).unwrap();
    assert_eq!((report.files, report.directories), (4, 1));
    assert_eq!(names(&to), ["a.txt", "e", "e/f.log", "e/same.txt", "link"]);
    let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("a.txt"), inode("e/same.txt"));
    // Where one of them is taken none is restored, and other things may be there.
    fs::remove_dir_all(to.join("e")).unwrap();
    fs::create_dir(to.join("e")).unwrap();
    let refused = scene.several(&paths, &to, &GetOptions::default());
    assert!(matches!(refused, Err(Error::Exists(what)) if what.ends_with("a.txt")));
    assert_eq!(names(&to), ["a.txt", "e", "link"]);
    scene.several(&["/e"], &to, &GetOptions::default()).unwrap();
    assert_eq!(names(&to.join("e")), ["f.log", "same.txt"]);
}

#[test]
fn several_paths_with_one_name_are_refused_before_anything_is_made() {
    let scene = Scene::new();
    scene.sandbox.put_with(&scene.local(), "/copy", &Default::default()).unwrap();
    let to = scene.place.path().join("several");
    let refused = scene.several(&["/d", "/top.txt", "/copy/d"], &to, &GetOptions::default());
    assert!(matches!(refused, Err(Error::Exists(what)) if what.contains("one by one")));
    let refused = scene.several(&["/d", "/"], &to, &GetOptions::default());
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let missing = scene.several(&["/d", "/none"], &to, &GetOptions::default());
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert!(!to.exists());
}

#[test]
fn patterns_choose_what_comes_back() {
    let scene = Scene::new();
    let get = |name: &str, exclude: &[&str], include: &[&str]| {
        let to = scene.place.path().join(name);
        let patterns = patterns(exclude, include);
        let options = GetOptions { patterns, ..GetOptions::default() };
        let report = scene.sandbox.get_with("/", &to, &options).unwrap();
        (names(&to), report.excluded)
    };
    let (found, excluded) = get("without", &["*.log", "/e"], &[]);
    assert_eq!(found, ["d", "d/a.txt", "d/deep", "d/deep/c.txt", "link", "top.txt"]);
    assert_eq!(excluded, 2);
    let (found, _) = get("but", &["*.log", "d/deep"], &["b.log"]);
    assert_eq!(found, ["d", "d/a.txt", "d/b.log", "e", "e/same.txt", "link", "top.txt"]);
    // Alone they say what is wanted, and only directories on the way to it are made.
    let (found, _) = get("only", &[], &["deep", "f.*"]);
    assert_eq!(found, ["d", "d/deep", "d/deep/c.txt", "e", "e/f.log"]);
    let (found, _) = get("one", &[], &["/d/deep/c.txt"]);
    assert_eq!(found, ["d", "d/deep", "d/deep/c.txt"]);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mtime_nsec();
    assert_eq!(mode(scene.place.path().join("one/d")), mode(scene.local().join("d")));
    assert_eq!(get("none", &[], &["nothing"]).0, [""; 0]);
}

#[test]
fn what_is_the_same_is_not_written_again() {
    let scene = Scene::new();
    let inode = |name: &str| fs::metadata(scene.out().join(name)).unwrap().ino();
    let before = inode("top.txt");
    let report = scene.again(&over(Overwrite::IfChanged));
    assert_eq!((written(&report), report.unchanged, report.kept), (0, 7, 0));
    assert_eq!(inode("top.txt"), before);
    // Other bytes of the same length and with the old time are seen by those who read.
    let path = scene.out().join("top.txt");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "TOP.TXT").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(written(&scene.again(&over(Overwrite::IfChanged))), 0);
    let options = GetOptions { checksum: true, ..over(Overwrite::IfChanged) };
    assert_eq!(written(&scene.again(&options)), 1);
    // Another mode, another time or another target is another file.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(scene.out().join("link")).unwrap();
    symlink("elsewhere", scene.out().join("link")).unwrap();
    let later = time + std::time::Duration::from_secs(5);
    fs::File::open(scene.out().join("d/b.log")).unwrap().set_modified(later).unwrap();
    let report = scene.again(&over(Overwrite::IfChanged));
    assert_eq!((written(&report), report.unchanged), (3, 4));
    scene.is_whole();
    let report = scene.again(&over(Overwrite::Always));
    assert_eq!((written(&report), report.unchanged), (7, 0));
    scene.is_whole();
}

#[test]
fn what_is_there_stays_if_it_is_newer_or_whatever_it_is() {
    let scene = Scene::new();
    let (new, old) = (scene.out().join("top.txt"), scene.out().join("d/b.log"));
    fs::write(&new, "newer").unwrap();
    fs::write(&old, "older").unwrap();
    let set = |path: &LocalPath, seconds| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    set(&new, 8_000_000_000);
    set(&old, 1000);
    fs::remove_file(scene.out().join("e/f.log")).unwrap();
    let report = scene.again(&over(Overwrite::Never));
    assert_eq!((written(&report), report.unchanged + report.kept), (1, 6));
    assert_eq!(fs::read(&old).unwrap(), b"older");
    let report = scene.again(&over(Overwrite::IfNewer));
    assert_eq!((written(&report), report.unchanged, report.kept), (1, 5, 1));
    assert_eq!(
        (fs::read(&new).unwrap(), fs::read(&old).unwrap()),
        (b"newer".into(), b"d/b.log".into())
    );
}

#[test]
fn what_is_in_the_way_goes_with_force_and_nothing_beside_it() {
    let scene = Scene::new();
    let (out, outside) = (scene.out(), scene.place.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("theirs"), "theirs").unwrap();
    fs::remove_file(out.join("top.txt")).unwrap();
    fs::create_dir_all(out.join("top.txt/full/deep")).unwrap();
    fs::write(out.join("top.txt/full/file"), "x").unwrap();
    symlink(&outside, out.join("top.txt/full/way")).unwrap();
    fs::set_permissions(out.join("top.txt/full"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::remove_dir_all(out.join("d")).unwrap();
    symlink(&outside, out.join("d")).unwrap();
    let report = scene.again(&over(Overwrite::IfChanged));
    assert_eq!((report.failed, report.deleted), (2, 0));
    let options = GetOptions { force: true, ..over(Overwrite::IfChanged) };
    let (lines, _) = scene.foreseen(&out, &options);
    assert!(lines.contains(&"D /top.txt/full/way".into()), "{lines:?}");
    let report = scene.again(&options);
    assert_eq!((report.failed, report.deleted), (0, 2));
    scene.is_whole();
    assert_eq!(fs::read(outside.join("theirs")).unwrap(), b"theirs");
}

#[test]
fn a_mirror_deletes_what_the_version_does_not_have_within_bounds() {
    let scene = Scene::new();
    let (out, outside) = (scene.out(), scene.place.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("theirs"), "theirs").unwrap();
    fs::create_dir_all(out.join("more/inner")).unwrap();
    for number in 0..3 {
        fs::write(out.join(format!("more/inner/{number}")), "x").unwrap();
    }
    symlink(&outside, out.join("more/way")).unwrap();
    symlink(&outside, out.join("zz")).unwrap();
    let bounded = GetOptions { max_delete: MaxDelete::Files(4), ..mirror() };
    let before = trees::all(&out);
    let refused = scene.sandbox.get_with("/", &out, &bounded);
    assert!(matches!(refused, Err(Error::TooManyDeletions { deleted: 5, files: 12, .. })));
    let (lines, refused) = scene.foreseen(&out, &bounded);
    assert!(matches!(refused, Err(Error::TooManyDeletions { deleted: 5, .. })));
    let gone = ["M /", "D /more", "D /more/inner", "D /more/inner/0", "D /more/inner/1"];
    assert_eq!(lines[..5], gone);
    assert_eq!(lines[5..], ["D /more/inner/2", "D /more/way", "D /zz"]);
    assert_eq!(trees::all(&out), before);
    // What patterns leave out is not touched.
    let options = GetOptions { patterns: patterns(&["/more"], &[]), ..mirror() };
    assert_eq!(scene.again(&options).deleted, 1);
    assert!(out.join("more/inner/2").exists());
    assert_eq!(scene.again(&mirror()).deleted, 4);
    scene.is_whole();
    assert_eq!(fs::read(outside.join("theirs")).unwrap(), b"theirs");
    // A directory without files takes the place of files only if it may.
    let empty = scene.place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    scene.sandbox.put_with(&empty, "/empty", &Default::default()).unwrap();
    let refused = scene.sandbox.get_with("/empty", &out, &mirror());
    assert!(matches!(refused, Err(Error::EmptySource { files: 7, .. })), "{refused:?}");
    let options = GetOptions { allow_empty: true, ..mirror() };
    assert_eq!(scene.sandbox.get_with("/empty", &out, &options).unwrap().deleted, 7);
    assert_eq!(names(&out), [""; 0]);
}

#[test]
fn a_file_that_must_stay_is_neither_deleted_nor_replaced() {
    let scene = Scene::new();
    let kept = scene.out().join("d/database");
    fs::write(&kept, "mine").unwrap();
    let found = fs::metadata(&kept).unwrap();
    let protected = vec![(found.dev(), found.ino())];
    let options = GetOptions { protected, ..mirror() };
    assert_eq!(scene.again(&options).failed, 1);
    fs::rename(&kept, scene.out().join("top.txt")).unwrap();
    assert_eq!(scene.again(&options).failed, 1);
    assert_eq!(fs::read(scene.out().join("top.txt")).unwrap(), b"mine");
}

#[test]
fn a_dry_run_says_what_a_restore_then_does() {
    let scene = Scene::new();
    let free = scene.place.path().join("free");
    let (lines, report) = scene.foreseen(&free, &GetOptions::default());
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[..4], ["A /", "A /d", "A /d/a.txt", "A /d/b.log"]);
    assert_eq!((written(&report.unwrap()), free.exists()), (7, false));
    fs::remove_file(scene.out().join("d/a.txt")).unwrap();
    fs::write(scene.out().join("e/f.log"), "other").unwrap();
    let (lines, report) = scene.foreseen(&scene.out(), &over(Overwrite::IfChanged));
    assert_eq!(lines, ["M /d", "A /d/a.txt", "M /e/f.log", "M /e/same.txt"]);
    let (foreseen, done) = (report.unwrap(), scene.again(&over(Overwrite::IfChanged)));
    assert_eq!((written(&foreseen), foreseen.unchanged), (written(&done), done.unchanged));
    scene.is_whole();
    let (lines, _) = scene.foreseen(&scene.out(), &mirror());
    assert_eq!(lines, [""; 0]);
}

#[test]
fn a_version_is_compared_with_a_tree_of_this_machine() {
    let scene = Scene::new();
    assert_eq!(scene.compared(&GetOptions::default()), [""; 0]);
    let out = scene.out();
    fs::write(out.join("d/new"), "x").unwrap();
    fs::remove_dir_all(out.join("e")).unwrap();
    fs::set_permissions(out.join("top.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let found = scene.compared(&GetOptions::default());
    let gone = ["D /e", "D /e/f.log", "D /e/same.txt", "M /top.txt"];
    assert_eq!(found[..3], ["M /", "M /d", "A /d/new"]);
    assert_eq!(found[3..], gone);
    let options = GetOptions { patterns: patterns(&["e", "new"], &[]), ..GetOptions::default() };
    assert_eq!(scene.compared(&options), ["M /", "M /d", "M /top.txt"]);
    assert!(out.join("d/new").exists());
}

#[test]
fn a_restore_that_was_cut_off_goes_on() {
    let scene = Scene::new();
    let out = scene.out();
    // As a killed one leaves it: a file with half its bytes, directories that are being filled.
    fs::write(out.join("top.txt"), "top").unwrap();
    fs::write(out.join("d/deep/.aeordb-2000000000-7"), "half").unwrap();
    fs::remove_dir_all(out.join("e")).unwrap();
    fs::set_permissions(out.join("d"), fs::Permissions::from_mode(0o700)).unwrap();
    let options = GetOptions { verify: true, ..over(Overwrite::IfChanged) };
    let report = scene.again(&options);
    assert_eq!((written(&report), report.unchanged, report.failed), (3, 4, 0));
    scene.is_whole();
}
