//! File systems that do less than most, where this machine can mount them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::desk::{Desk, line};

/// A file system that is mounted for as long as this lives.
struct Mounted {
    directory: PathBuf,
    /// The device that its image is seen through.
    device: Option<String>,
}

impl Mounted {
    /// Mounts with this program and its arguments, of which the last is the directory, which is
    /// made; `None` if that cannot be done here, which is said.
    fn new(program: &str, arguments: &[&str], directory: PathBuf) -> Option<Mounted> {
        fs::create_dir(&directory).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&directory).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Mounted { directory, device: None });
        }
        let words = arguments.join(" ");
        // Past what holds back the output of a test that passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {program} {words} does not mount here");
        None
    }

    /// The directory `name`, seen through bindfs with these options as `name.seen`.
    fn bindfs(desk: &Desk, name: &str, options: &[&str]) -> Option<Mounted> {
        fs::create_dir(desk.path(name)).unwrap();
        let source = desk.path(name);
        let words = [options, &[source.to_str().unwrap()]].concat();
        Mounted::new("bindfs", &words, desk.path(format!("{name}.seen")))
    }

    /// An exFAT of its own as `name`: it folds case, has no links of either kind and no renames
    /// that replace nothing.
    fn exfat(desk: &Desk, name: &str) -> Option<Mounted> {
        let image = desk.path(format!("{name}.image"));
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let words = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(&image).output().ok()?;
            let word = String::from_utf8(output.stdout).ok()?.trim().to_owned();
            output.status.success().then_some(word)
        };
        let made = words("mkfs.exfat", &[]).and_then(|_| words("losetup", &["-f", "--show"]));
        let device = made.unwrap_or_default();
        let mounted = Mounted::new("mount.exfat-fuse", &[&device], desk.path(name));
        match mounted {
            Some(mut mounted) => {
                mounted.device = Some(device);
                Some(mounted)
            }
            None => {
                detach(&device);
                None
            }
        }
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    fn unmount(&self) {
        for attempt in [&["umount"][..], &["fusermount3", "-u"], &["umount", "-l"]] {
            let (program, rest) = attempt.split_first().unwrap();
            let mut command = Command::new(program);
            command.args(rest).arg(&self.directory).stdout(Stdio::null()).stderr(Stdio::null());
            if command.status().is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
        self.device.iter().for_each(|device| detach(device));
    }
}

fn detach(device: &str) {
    if !device.is_empty() {
        let _ = Command::new("losetup").args(["-d", device]).status();
    }
}

#[test]
fn files_are_restored_where_no_mode_can_be_set() {
    let desk = Desk::new();
    desk.write("tree/docs/a.txt", "alpha\n");
    desk.write("tree/b.txt", "beta\n");
    for (name, mode) in [("tree", 0o755), ("tree/docs", 0o777), ("tree/b.txt", 0o666)] {
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    desk.ok(&["put", "tree", "/tree"]);
    let Some(mounted) = Mounted::bindfs(&desk, "modes", &["--chmod-deny"]) else { return };
    let out = mounted.path("out");
    let usual = ["sh", "-c", "umask 022 && exec \"$@\"", "sh"];
    let run = desk.run_through(&usual, &["get", "/tree", out.to_str().unwrap()]).expect(3);
    assert!(run.out().starts_with("Get complete."), "{}", run.out());
    assert_eq!(line(&run.out(), "Files"), "2");
    // The two that the umask took rights from.
    assert_eq!(line(&run.out(), "Attributes not restored"), "2");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(out.clone()), mode(out.join("docs"))), (0o755, 0o755));
    assert!(run.err.contains("b.txt: restored without its mode 0666: "), "{}", run.err);
    assert_eq!(fs::read(out.join("docs/a.txt")).unwrap(), b"alpha\n");
    assert_eq!(fs::read(out.join("b.txt")).unwrap(), b"beta\n");
    let time = |path: PathBuf| fs::metadata(path).unwrap().mtime_nsec();
    assert_eq!(time(out.join("b.txt")), time(desk.path("tree/b.txt")));
    assert_eq!(time(out.join("docs")), time(desk.path("tree/docs")));
    // A database has its mode already.
    let database = mounted.path("database").to_str().unwrap().to_owned();
    desk.ok(&["put", "tree", "/", "--database", &database]);
    desk.ok(&["compact", "--database", &database]);
    // One file that was asked for alone, and one that is replaced.
    let one = mounted.path("one");
    for _ in 0..2 {
        desk.run(&["get", "--force", "/tree/b.txt", one.to_str().unwrap()]).expect(3);
        assert_eq!(fs::read(&one).unwrap(), b"beta\n");
    }
}

#[test]
fn of_two_names_that_a_file_system_takes_for_one_neither_is_lost_unsaid() {
    let desk = Desk::new();
    for (name, bytes) in
        [("README", "one"), ("readme", "two"), ("Docs/a", "three"), ("docs/b", "4")]
    {
        desk.write(format!("tree/{name}"), bytes);
    }
    desk.write("tree/docs.txt", "last");
    desk.ok(&["put", "tree", "/tree"]);
    let Some(mounted) = Mounted::exfat(&desk, "folded") else { return };
    let out = mounted.path("out");
    for force in [&[][..], &["--force"], &["--force"]] {
        let words = [&["get", "/tree", out.to_str().unwrap()], force].concat();
        let run = desk.run(&words).expect(3);
        assert_eq!(line(&run.out(), "Not restored"), "2", "{}", run.err);
        // What is there is one of the two, under its own name.
        let whole = |name: &str| fs::read(out.join(name)).unwrap();
        let listed: Vec<_> =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(listed.len(), 3, "{listed:?}");
        let kept = listed.iter().find(|name| name.eq_ignore_ascii_case("readme")).unwrap();
        assert_eq!(whole("readme"), if kept == "README" { "one" } else { "two" }.as_bytes());
        assert_eq!(whole("docs.txt"), b"last");
    }
    let (readme, other) = (out.join("readMe"), out.join("Docs/a"));
    let one = ["get", "--force", "/tree/readme", readme.to_str().unwrap()];
    desk.run(&one).refused(15, "in another spelling", "rename it");
    assert_eq!(fs::read(other).unwrap(), b"three");
}

#[test]
fn a_second_restore_fills_directories_that_keep_their_owner_out() {
    let desk = Desk::new();
    desk.write("tree/shut/deep/file", "one");
    desk.write("tree/shut/other", "two");
    let modes = [("shut/deep", 0o555), ("shut", 0o500)];
    let set = |root: &str, name: &str, mode| {
        let path = desk.path(root).join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    modes.iter().for_each(|(name, mode)| set("tree", name, *mode));
    desk.ok(&["put", "tree", "/tree"]);
    // Whoever runs the tests: without the capabilities that open everything.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let plain = match is_root {
        true => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"][..],
        false => &["env"],
    };
    for force in [&[][..], &["--force"], &["--force"]] {
        let words = [&["get", "/tree", "out"], force].concat();
        let run = desk.run_through(plain, &words).expect(0);
        assert_eq!(line(&run.out(), "Files"), "2");
        for (name, expected) in modes {
            let found = fs::metadata(desk.path("out").join(name)).unwrap();
            assert_eq!(found.permissions().mode() & 0o7777, expected, "{name}");
        }
        // One that its owner cannot even open.
        set("out", "shut/deep", 0);
    }
    // So that they can be removed.
    for root in ["tree", "out"] {
        modes.iter().rev().for_each(|(name, _)| set(root, name, 0o755));
    }
}

#[test]
fn a_tree_is_restored_that_is_deeper_than_files_may_be_open() {
    let desk = Desk::new();
    let depth = 700;
    desk.write(format!("tree/{}file", "d/".repeat(depth)), "deep");
    desk.write(format!("tree/{}z", "d/".repeat(depth / 2)), "half way");
    desk.write("tree/z", "at the top");
    desk.ok(&["put", "tree", "/tree"]);
    let few = ["sh", "-c", "ulimit -n 400 && exec \"$@\"", "sh"];
    for force in [&[][..], &["--force"]] {
        let run = desk.run_through(&few, &[&["get", "/tree", "out"], force].concat()).expect(0);
        assert_eq!(line(&run.out(), "Files"), "3");
    }
    assert_eq!(desk.ok(&["put", "--dry-run", "--mirror", "out", "/tree"]), "");
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_output_is_made_where_nothing_can_be_linked_and_replaces_nothing() {
    let desk = Desk::with_v2();
    let Some(mounted) = Mounted::exfat(&desk, "plain") else { return };
    let at = |name: &str| mounted.path(name).to_str().unwrap().to_owned();
    let (full, patch, both) = (at("full"), at("patch"), at("both"));
    let commands = [
        &["export", "v1", "--output", &full][..],
        &["diff", "--from", "v1", "--to", "v2", "--output", &patch],
        &["combine", &full, &patch, "--output", &both],
    ];
    for command in commands {
        desk.ok(command);
        desk.run(command).refused(15, "already exists", "never overwritten");
    }
    let (new, imported) = (at("new"), at("imported"));
    desk.ok(&["put", "tree", "/", "--database", &new]);
    desk.ok(&["put", "tree", "/again", "--database", &new]);
    desk.ok(&["import", "--file", &full, "--file", &patch, "--promote", "--database", &imported]);
    desk.ok(&["compact", "--database", &new]);
    for made in [&full, &both, &new, &imported] {
        desk.ok(&["verify", "--deep", "--database", made]);
    }
    assert_eq!(names(&mounted.directory), ["both", "full", "imported", "new", "patch"]);
}

#[test]
fn what_a_killed_command_left_behind_is_removed_by_the_next() {
    let desk = Desk::with_v1();
    let Some(mounted) = Mounted::exfat(&desk, "killed") else { return };
    let new = mounted.path("new").to_str().unwrap().to_owned();
    let put = ["put", "-", "/file", "--database", &new];
    let left =
        || names(&mounted.directory).into_iter().filter(|name| name != "new").collect::<Vec<_>>();
    let mut killed = desk.command(&put).stdin(Stdio::piped()).spawn().unwrap();
    let began = std::time::Instant::now();
    while left().is_empty() && began.elapsed().as_secs() < 60 {
        std::thread::yield_now();
    }
    let export = mounted.path("export").to_str().unwrap().to_owned();
    // What somebody is at is nobody's business.
    desk.ok(&["export", "--output", &export]);
    fs::remove_file(&export).unwrap();
    assert_eq!(left().len(), 1, "{:?}", left());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(left().len(), 1, "{:?}", left());
    // Nobody takes it for a file of somebody's.
    let run = desk.run(&["put", mounted.directory.to_str().unwrap(), "/mounted"]).expect(0);
    assert_eq!(line(&run.out(), "Files"), "0");
    assert_eq!(line(&run.out(), "Skipped"), "1");
    assert!(run.err.contains("skipped: it is a temporary file of aeordb"), "{}", run.err);
    desk.feed(&put, b"whole").expect(0);
    assert_eq!(left(), [""; 0]);
    assert_eq!(desk.ok(&["cat", "/file", "--database", &new]), "whole");
}
