//! File systems that do less than most, where this machine can mount them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::desk::{Desk, line};

/// A file system that is mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts with this program and its arguments, of which the last is the directory, which is
    /// made; `None` if that cannot be done here, which is said.
    fn new(program: &str, arguments: &[&str], directory: PathBuf) -> Option<Mounted> {
        fs::create_dir(&directory).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&directory).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Mounted(directory));
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

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for attempt in [&["umount"][..], &["fusermount3", "-u"], &["umount", "-l"]] {
            let (program, rest) = attempt.split_first().unwrap();
            let mut command = Command::new(program);
            command.args(rest).arg(&self.0).stdout(Stdio::null()).stderr(Stdio::null());
            if command.status().is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

#[test]
fn files_are_restored_where_no_mode_can_be_set() {
    let desk = Desk::new();
    desk.write("tree/docs/a.txt", "alpha\n");
    desk.write("tree/b.txt", "beta\n");
    fs::set_permissions(desk.path("tree/b.txt"), fs::Permissions::from_mode(0o666)).unwrap();
    desk.ok(&["put", "tree", "/tree"]);
    let Some(mounted) = Mounted::bindfs(&desk, "modes", &["--chmod-deny"]) else { return };
    let out = mounted.path("out");
    let run = desk.run(&["get", "/tree", out.to_str().unwrap()]).expect(3);
    assert!(run.out().starts_with("Get complete."), "{}", run.out());
    assert_eq!(line(&run.out(), "Files"), "2");
    // One file, the two directories, which were their owner's alone while they were filled.
    assert_eq!(line(&run.out(), "Without mode or time"), "3");
    assert!(run.err.contains("b.txt: restored without its mode 0666: "), "{}", run.err);
    assert_eq!(fs::read(out.join("docs/a.txt")).unwrap(), b"alpha\n");
    assert_eq!(fs::read(out.join("b.txt")).unwrap(), b"beta\n");
    let time = |path: PathBuf| fs::metadata(path).unwrap().mtime_nsec();
    assert_eq!(time(out.join("b.txt")), time(desk.path("tree/b.txt")));
    assert_eq!(time(out.join("docs")), time(desk.path("tree/docs")));
    // One file that was asked for alone, and one that is replaced.
    let one = mounted.path("one");
    for _ in 0..2 {
        desk.run(&["get", "--force", "/tree/b.txt", one.to_str().unwrap()]).expect(3);
        assert_eq!(fs::read(&one).unwrap(), b"beta\n");
    }
}
