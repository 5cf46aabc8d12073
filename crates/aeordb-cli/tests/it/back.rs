//! What comes back of a database, over what is there and in part, on a file and through a server.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::remote_trees::Pair;
use crate::sandbox::{Sandbox, line};
use crate::server::Served;

/// Files with their names as content, on a sandbox and through a server.
fn pair<'d>(local: &'d Sandbox, remote: &'d Sandbox) -> Pair<'d> {
    for name in ["d/a.txt", "d/b.log", "e/f.log", "top.txt"] {
        local.write(format!("tree/{name}"), name);
    }
    fs::hard_link(local.path("tree/d/a.txt"), local.path("tree/e/same.txt")).unwrap();
    let pair = Pair { local, served: Served::start(remote, "") };
    pair.ok(&["put", "tree", "/"]);
    pair
}

/// The same names on both sides of a pair.
fn names(pair: &Pair<'_>, remote: &Sandbox, directory: &str) -> Vec<String> {
    let list = |sandbox: &Sandbox| {
        let mut names = Vec::new();
        let mut waiting = vec![sandbox.path(directory)];
        while let Some(path) = waiting.pop() {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(sandbox.path(directory)).unwrap();
                names.push(below.to_str().unwrap().to_owned());
                if path.is_dir() {
                    waiting.push(path);
                }
            }
        }
        names.sort();
        names
    };
    assert_eq!(list(pair.local), list(remote));
    list(remote)
}

#[test]
fn several_paths_come_back_into_a_directory() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let report = pair.ok(&["get", "/d/a.txt", "/e", "out"]);
    assert_eq!((line(&report, "Files"), line(&report, "Directories")), ("3", "1"));
    assert_eq!(names(&pair, &remote, "out"), ["a.txt", "e", "e/f.log", "e/same.txt"]);
    for sandbox in [&local, &remote] {
        let inode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().ino();
        assert_eq!(inode("out/a.txt"), inode("out/e/same.txt"));
    }
    let run = pair.run(15, &["get", "/d", "/e", "/top.txt", "out"]);
    run.refused(15, "out/e, which is not empty,", "--force");
    let run = pair.run(15, &["get", "/d/a.txt", "/top.txt", "HEAD:/d/a.txt", "never"]);
    run.refused(15, "two of the paths end with it", "last names");
    pair.run(10, &["get", "/d", "/none", "never"]);
    // The names of versions may differ, the versions may not.
    let version = local.version("HEAD");
    pair.ok(&["get", &format!("{version}:/d"), "HEAD:/top.txt", "named"]);
    pair.ok(&["snapshot", "create", "v1", "-q"]);
    pair.ok(&["rm", "/top.txt", "-q"]);
    let run = pair.run(2, &["get", "v1:/top.txt", "/d", "never"]);
    run.refused(2, "of two versions", "aeordb get --help");
    pair.ok(&["get", "--at", "v1", "/top.txt", "/d", "old"]);
    assert!(!local.exists("never") && !remote.exists("never"));
    // Several files are printed one after the other.
    assert_eq!(pair.ok(&["get", "/d/a.txt", "/e/f.log", "-"]), "d/a.txte/f.log");
}

#[test]
fn patterns_choose_what_comes_back_and_a_dry_run_lists_it() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let chosen = ["get", "/", "out", "--exclude", "*.log", "--include", "f.log"];
    let listed = pair.ok(&[&chosen[..], &["--dry-run"]].concat());
    let all = "A /\nA /d\nA /d/a.txt\nA /e\nA /e/f.log\nA /e/same.txt\nA /top.txt\n";
    assert_eq!(listed, all);
    assert!(!local.exists("out") && !remote.exists("out"));
    let report = pair.ok(&chosen);
    assert_eq!((line(&report, "Files"), line(&report, "Excluded")), ("4", "1"));
    pair.ok(&["get", "/", "only", "--include", "*.log"]);
    // What was asked for by a pattern and is not there is not restored in silence.
    let nothing = pair.run(10, &["get", "/", "nothing", "-q", "--include", "*.nothing"]);
    assert!(nothing.err.contains("what --include is for not found"), "{}", nothing.err);
    assert_eq!(names(&pair, &remote, "only"), ["d", "d/b.log", "e", "e/f.log"]);
    let json = local.json_lines(&["get", "/d", "more", "--dry-run"]);
    assert_eq!(json[1]["path"], "/d/a.txt");
    assert_eq!(json[1]["change"], "added");
}

#[test]
fn what_is_there_is_replaced_as_it_was_agreed() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    pair.ok(&["get", "/", "out"]);
    for sandbox in [&local, &remote] {
        sandbox.write("out/top.txt", "another");
        sandbox.write("out/more", "more");
    }
    pair.run(15, &["get", "/", "out"]).refused(15, "not empty", "--overwrite if-changed");
    let report = pair.ok(&["get", "/", "out", "--overwrite", "never"]);
    assert_eq!((line(&report, "Files"), line(&report, "Files kept")), ("0", "5"));
    assert_eq!(local.read("out/top.txt"), b"another");
    let report = pair.ok(&["get", "/", "out", "--overwrite", "if-changed", "--verify"]);
    assert_eq!((line(&report, "Files"), line(&report, "Files unchanged")), ("5", "4"));
    assert_eq!(local.read("out/top.txt"), b"top.txt");
    let listed = pair.ok(&["get", "/", "out", "--mirror", "--dry-run"]);
    assert_eq!(listed, "M /\nD /more\n");
    let run = pair.run(17, &["get", "/", "out", "--mirror", "--max-delete", "0"]);
    run.refused(17, "1 of 6 files at out would be deleted", "--max-delete 1");
    let report = pair.ok(&["get", "/", "out", "--mirror"]);
    assert_eq!(line(&report, "Files deleted"), "1");
    assert!(!local.exists("out/more"));
    pair.run(2, &["get", "/top.txt", "file", "--mirror"]);
    pair.run(2, &["get", "/d", "/e", "out", "--mirror"]);
}

#[test]
fn a_mirror_over_the_database_leaves_the_database() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/file", "x");
    sandbox.ok(&["put", "tree", "/"]);
    let before = sandbox.read("data.aeordb");
    let run = sandbox.run(&["get", "/", ".", "--mirror", "--max-delete", "9"]).expect(3);
    assert!(run.err.contains("data.aeordb, which is the database"), "{}", run.err);
    assert_eq!(sandbox.read("data.aeordb"), before);
    assert_eq!(sandbox.read("file"), b"x");
    sandbox.ok(&["put", "data.aeordb", "/", "-d", "other.aeordb"]);
    let to = ["get", "/data.aeordb", "other.aeordb", "-d", "other.aeordb", "--force"];
    sandbox.run(&to).refused(15, "which is the database", "another place");
}

#[test]
fn a_version_is_compared_with_a_directory() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    assert_eq!(pair.ok(&["diff", "HEAD", "--local", "tree"]), "");
    pair.ok(&["get", "/d", "out"]);
    for sandbox in [&local, &remote] {
        sandbox.write("out/new", "new");
        fs::remove_file(sandbox.path("out/b.log")).unwrap();
        sandbox.write("out/a.txt", "other");
    }
    let found = pair.ok(&["diff", "--path", "/d", "--local", "out"]);
    assert_eq!(found, "M /d\nM /d/a.txt\nD /d/b.log\nA /d/new\n");
    let found = pair.ok(&["diff", "HEAD", "--path", "/d", "--local", "out", "--exclude", "*.log"]);
    assert_eq!(found, "M /d\nM /d/a.txt\nA /d/new\n");
    let json = local.json_lines(&["diff", "HEAD", "--path", "/d", "--local", "out"]);
    assert_eq!((&json[3]["path"], &json[3]["change"]), (&"/d/new".into(), &"added".into()));
    // The same size and time, and other bytes.
    let time = fs::metadata(local.path("tree/top.txt")).unwrap().modified().unwrap();
    local.write("tree/top.txt", "TOP.TXT");
    let file = fs::File::options().write(true).open(local.path("tree/top.txt")).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(pair.ok(&["diff", "HEAD", "--local", "tree"]), "");
    assert_eq!(pair.ok(&["diff", "HEAD", "--local", "tree", "--checksum"]), "M /top.txt\n");
    pair.run(2, &["diff", "v1", "v2", "--local", "tree"]);
    pair.run(2, &["diff", "HEAD", "--path", "/top.txt", "--local", "tree"]);
    pair.run(10, &["diff", "HEAD", "--path", "/none", "--local", "tree"]);
    pair.run(10, &["diff", "HEAD", "--local", "none"]);
}
