//! File systems that do less than most, where this machine can mount them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{Sandbox, line};

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
    fn bindfs(sandbox: &Sandbox, name: &str, options: &[&str]) -> Option<Mounted> {
        fs::create_dir(sandbox.path(name)).unwrap();
        let source = sandbox.path(name);
        let words = [options, &[source.to_str().unwrap()]].concat();
        Mounted::new("bindfs", &words, sandbox.path(format!("{name}.seen")))
    }

    /// An exFAT of its own as `name`: it folds case, has no links of either kind and no renames
    /// that replace nothing.
    fn exfat(sandbox: &Sandbox, name: &str) -> Option<Mounted> {
        let image = sandbox.path(format!("{name}.image"));
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let words = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(&image).output().ok()?;
            let word = String::from_utf8(output.stdout).ok()?.trim().to_owned();
            output.status.success().then_some(word)
        };
        let made = words("mkfs.exfat", &[]).and_then(|_| words("losetup", &["-f", "--show"]));
        let device = made.unwrap_or_default();
        let mounted = Mounted::new("mount.exfat-fuse", &[&device], sandbox.path(name));
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
    let sandbox = Sandbox::new();
    sandbox.write("tree/docs/a.txt", "alpha\n");
    sandbox.write("tree/b.txt", "beta\n");
    for (name, mode) in [("tree", 0o755), ("tree/docs", 0o777), ("tree/b.txt", 0o666)] {
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    sandbox.ok(&["put", "tree", "/tree"]);
    let Some(mounted) = Mounted::bindfs(&sandbox, "modes", &["--chmod-deny"]) else { return };
    let out = mounted.path("out");
    let usual = ["sh", "-c", "umask 022 && exec \"$@\"", "sh"];
    let run = sandbox.run_through(&usual, &["get", "/tree", out.to_str().unwrap()]).expect(3);
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
    assert_eq!(time(out.join("b.txt")), time(sandbox.path("tree/b.txt")));
    assert_eq!(time(out.join("docs")), time(sandbox.path("tree/docs")));
    // A database has its mode already.
    let database = mounted.path("database").to_str().unwrap().to_owned();
    sandbox.ok(&["put", "tree", "/", "--database", &database]);
    sandbox.ok(&["compact", "--database", &database]);
    // One file that was asked for alone, and one that is replaced.
    let one = mounted.path("one");
    for _ in 0..2 {
        sandbox.run(&["get", "--force", "/tree/b.txt", one.to_str().unwrap()]).expect(3);
        assert_eq!(fs::read(&one).unwrap(), b"beta\n");
    }
}

#[test]
fn of_two_names_that_a_file_system_takes_for_one_neither_is_lost_unsaid() {
    let sandbox = Sandbox::new();
    for (name, bytes) in
        [("README", "one"), ("readme", "two"), ("Docs/a", "three"), ("docs/b", "4")]
    {
        sandbox.write(format!("tree/{name}"), bytes);
    }
    sandbox.write("tree/docs.txt", "last");
    sandbox.ok(&["put", "tree", "/tree"]);
    let Some(mounted) = Mounted::exfat(&sandbox, "folded") else { return };
    let out = mounted.path("out");
    for force in [&[][..], &["--force"], &["--force"]] {
        let words = [&["get", "/tree", out.to_str().unwrap()], force].concat();
        let run = sandbox.run(&words).expect(3);
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
    sandbox.run(&one).refused(15, "in another spelling", "rename it");
    assert_eq!(fs::read(other).unwrap(), b"three");
}

#[test]
fn a_second_restore_fills_directories_that_keep_their_owner_out() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/shut/deep/file", "one");
    sandbox.write("tree/shut/other", "two");
    let modes = [("shut/deep", 0o555), ("shut", 0o500)];
    let set = |root: &str, name: &str, mode| {
        let path = sandbox.path(root).join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    modes.iter().for_each(|(name, mode)| set("tree", name, *mode));
    sandbox.ok(&["put", "tree", "/tree"]);
    // Whoever runs the tests: without the capabilities that open everything.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let plain = match is_root {
        true => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"][..],
        false => &["env"],
    };
    for force in [&[][..], &["--force"], &["--force"]] {
        let words = [&["get", "/tree", "out"], force].concat();
        let run = sandbox.run_through(plain, &words).expect(0);
        assert_eq!(line(&run.out(), "Files"), "2");
        for (name, expected) in modes {
            let found = fs::metadata(sandbox.path("out").join(name)).unwrap();
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
    let sandbox = Sandbox::new();
    let depth = 700;
    sandbox.write(format!("tree/{}file", "d/".repeat(depth)), "deep");
    sandbox.write(format!("tree/{}z", "d/".repeat(depth / 2)), "half way");
    sandbox.write("tree/z", "at the top");
    sandbox.ok(&["put", "tree", "/tree"]);
    let few = ["sh", "-c", "ulimit -n 400 && exec \"$@\"", "sh"];
    for force in [&[][..], &["--force"]] {
        let run = sandbox.run_through(&few, &[&["get", "/tree", "out"], force].concat()).expect(0);
        assert_eq!(line(&run.out(), "Files"), "3");
    }
    assert_eq!(sandbox.ok(&["put", "--dry-run", "--mirror", "out", "/tree"]), "");
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
    let sandbox = Sandbox::with_v2();
    let Some(mounted) = Mounted::exfat(&sandbox, "plain") else { return };
    let at = |name: &str| mounted.path(name).to_str().unwrap().to_owned();
    let (full, patch, both) = (at("full"), at("patch"), at("both"));
    let commands = [
        &["export", "v1", "--output", &full][..],
        &["diff", "--from", "v1", "--to", "v2", "--output", &patch],
        &["combine", &full, &patch, "--output", &both],
    ];
    for command in commands {
        sandbox.ok(command);
        sandbox.run(command).refused(15, "already exists", "never overwritten");
    }
    let (new, imported) = (at("new"), at("imported"));
    sandbox.ok(&["put", "tree", "/", "--database", &new]);
    sandbox.ok(&["put", "tree", "/again", "--database", &new]);
    sandbox.ok(&[
        "import",
        "--file",
        &full,
        "--file",
        &patch,
        "--promote",
        "--database",
        &imported,
    ]);
    sandbox.ok(&["compact", "--database", &new]);
    for made in [&full, &both, &new, &imported] {
        sandbox.ok(&["verify", "--deep", "--database", made]);
    }
    assert_eq!(names(&mounted.directory), ["both", "full", "imported", "new", "patch"]);
}

#[test]
fn what_a_killed_command_left_behind_is_removed_by_the_next() {
    let sandbox = Sandbox::with_v1();
    let Some(mounted) = Mounted::exfat(&sandbox, "killed") else { return };
    let new = mounted.path("new").to_str().unwrap().to_owned();
    let put = ["put", "-", "/file", "--database", &new];
    let left =
        || names(&mounted.directory).into_iter().filter(|name| name != "new").collect::<Vec<_>>();
    let mut killed = sandbox.command(&put).stdin(Stdio::piped()).spawn().unwrap();
    let began = std::time::Instant::now();
    while left().is_empty() && began.elapsed().as_secs() < 60 {
        std::thread::yield_now();
    }
    let export = mounted.path("export").to_str().unwrap().to_owned();
    // What somebody is at is nobody's business.
    sandbox.ok(&["export", "--output", &export]);
    fs::remove_file(&export).unwrap();
    assert_eq!(left().len(), 1, "{:?}", left());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(left().len(), 1, "{:?}", left());
    // Nobody takes it for a file of somebody's.
    let run = sandbox.run(&["put", mounted.directory.to_str().unwrap(), "/mounted"]).expect(0);
    assert_eq!(line(&run.out(), "Files"), "0");
    assert_eq!(line(&run.out(), "Skipped"), "1");
    assert!(run.err.contains("skipped: it is a temporary file of aeordb"), "{}", run.err);
    sandbox.feed(&put, b"whole").expect(0);
    assert_eq!(left(), [""; 0]);
    assert_eq!(sandbox.ok(&["cat", "/file", "--database", &new]), "whole");
}

#[test]
fn what_the_last_version_has_below_a_mount_point_stays_when_file_systems_are_not_crossed() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/a", "a");
    sandbox.write("seen/inside", "inside");
    let Some(mounted) = Mounted::bindfs(&sandbox, "tree/over", &[]) else { return };
    let point = fs::metadata(&mounted.directory).unwrap();
    fs::write(mounted.path("file"), "in another file system").unwrap();
    sandbox.ok(&["put", "--mirror", "--exclude", "/over", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["ls", "-r", "/t"]), "/t/a\n/t/over.seen\n/t/over.seen/file\n");
    // What is there now is not looked at, what was there does not go.
    fs::rename(mounted.path("file"), mounted.path("other")).unwrap();
    let mirror = ["put", "-x", "--mirror", "--exclude", "/over", "tree", "/t"];
    let run = sandbox.run(&mirror).expect(0);
    assert_eq!(line(&run.out(), "Mount points"), "1");
    assert!(run.err.contains("over.seen: not entered: another file system"), "{}", run.err);
    assert_eq!(sandbox.ok(&["ls", "-r", "/t"]), "/t/a\n/t/over.seen\n/t/over.seen/file\n");
    // Where nothing was, a directory is put, with the mode that it shows.
    let report = sandbox.ok(&["put", "-x", "--mirror", "--exclude", "/over", "tree", "/new"]);
    assert_eq!((line(&report, "Mount points"), line(&report, "Files")), ("1", "1"));
    let mode = format!("{:04o}", point.permissions().mode() & 0o7777);
    assert_eq!(sandbox.json(&["stat", "/new/over.seen"])["mode"], mode);
}

/// A bindfs that is stopped: whoever asks it for anything waits.
struct Stopped {
    child: std::process::Child,
    mounted: Mounted,
}

impl Stopped {
    fn new(sandbox: &Sandbox, name: &str) -> Option<Stopped> {
        let directory = sandbox.path(format!("{name}.seen"));
        fs::create_dir_all(sandbox.path(name)).unwrap();
        fs::create_dir(&directory).unwrap();
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        let outside = device(&directory);
        let mut command = Command::new("bindfs");
        command.arg("-f").arg(sandbox.path(name)).arg(&directory);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(_) => {
                let _ = writeln!(std::io::stderr(), "NOT TESTED: there is no bindfs");
                return None;
            }
        };
        while device(&directory) == outside {
            if child.try_wait().unwrap().is_some() {
                let _ = writeln!(std::io::stderr(), "NOT TESTED: bindfs does not mount here");
                return None;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        Some(Stopped { child, mounted: Mounted { directory, device: None } })
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.mounted.unmount();
        let _ = self.child.wait();
    }
}

#[test]
fn a_put_from_a_file_system_that_does_not_answer_is_ended_by_a_signal() {
    let sandbox = Sandbox::new();
    sandbox.write("hangs/a", "a");
    sandbox.write("here/b", "b");
    sandbox.ok(&["put", "here", "/"]);
    let head = sandbox.ok(&["log"]);
    let Some(stopped) = Stopped::new(&sandbox, "hangs") else { return };
    stopped.signal(Signal::SIGSTOP);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut put = sandbox.at_a_terminal(&["put", "hangs.seen", "/hangs"]).spawn().unwrap();
        let id = put.id();
        // A thread of it waits within the kernel for what does not come.
        let waits = || {
            let tasks = fs::read_dir(format!("/proc/{id}/task")).ok();
            let waits = |task: std::io::Result<fs::DirEntry>| {
                let on = fs::read_to_string(task.ok()?.path().join("wchan")).ok()?;
                (on.contains("fuse") || on.contains("request_wait")).then_some(())
            };
            tasks.is_some_and(|mut tasks| tasks.any(|task| waits(task).is_some()))
        };
        for _ in 0..100 {
            if waits() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
        let mut ended = None;
        for _ in 0..600 {
            ended = put.try_wait().unwrap();
            if ended.is_some() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        if ended.is_none() {
            // So that it can be ended, and the test fail.
            stopped.signal(Signal::SIGCONT);
        }
        let output = put.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(ended.and_then(|status| status.code()), Some(130), "{said}");
        assert!(said.contains("interrupted"), "{said}");
        assert_eq!(sandbox.ok(&["log"]), head);
    }
    drop(stopped);
    sandbox.ok(&["put", "hangs.seen", "/hangs"]);
}
