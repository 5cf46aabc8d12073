//! What of a tree is put, on a file and through a server.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::remote_trees::Pair;
use crate::sandbox::{Sandbox, line};
use crate::server::Served;

/// Files with their names as content.
fn tree(sandbox: &Sandbox, names: &[&str]) {
    names.iter().for_each(|name| sandbox.write(format!("tree/{name}"), name));
}

#[test]
fn patterns_choose_what_is_put_and_a_server_gets_the_same() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    tree(&local, &["a.rs", "a.o", "keep.o", "sub/x.log", "sub/y.txt", "sub/big", "old/z"]);
    local.write("tree/sub/big", [0; 3000]);
    local.write("tree/.gitignore", "*.txt\n");
    local.write("rules", "# objects\n*.o\nold/\n");
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    let rules = local.path("rules");
    let rules = ["--exclude-from", rules.to_str().unwrap(), "--exclude", "*.log"];
    let more = ["--include", "keep.o", "--max-size", "2K", "--ignore-file", ".gitignore"];
    let chosen = [&["put", "tree", "/t"], &rules[..], &more].concat();
    let foreseen = pair.ok(&[&chosen[..], &["--dry-run"]].concat());
    assert!(foreseen.contains("A /t/keep.o\n") && !foreseen.contains("a.o"), "{foreseen}");
    let report = pair.ok(&chosen);
    assert_eq!(line(&report, "Excluded"), "5");
    assert_eq!(pair.ok(&["ls", "-r", "/t"]), "/t/.gitignore\n/t/a.rs\n/t/keep.o\n/t/sub\n");
    // What was left out may be put, and leaves with the next mirror, or is kept.
    pair.ok(&["put", "tree", "/t"]);
    let mirror = [&chosen[..], &["--mirror"]].concat();
    let report = pair.ok(&[&mirror[..], &["--keep-excluded"]].concat());
    assert!(!report.contains("Files deleted"), "{report}");
    let report = pair.ok(&mirror);
    assert_eq!((line(&report, "Files deleted"), line(&report, "Excluded")), ("5", "5"));
    let excluded = |sandbox: &Sandbox| sandbox.json(&["put", "tree", "/", "--exclude", "*"]);
    assert_eq!(excluded(&local)["excluded"], 6);
}

#[test]
fn a_list_of_paths_is_put_from_a_file_a_pipe_or_with_nul_bytes() {
    let sandbox = Sandbox::new();
    tree(&sandbox, &["a/one", "a/two", "b/three", "new\nline", "c"]);
    fs::write(sandbox.path("tree").join(OsStr::from_bytes(b"caf\xe9")), "latin").unwrap();
    sandbox.write("list", "a/one\n./b\n");
    sandbox.ok(&["put", "--files-from", "list", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["ls", "-r", "/t"]), "/t/a\n/t/a/one\n/t/b\n/t/b/three\n");
    sandbox
        .feed(&["put", "-0", "--files-from", "-", "tree", "/u"], b"new\nline\0caf\xe9\0")
        .expect(0);
    assert_eq!(
        sandbox.run(&["ls", "-r", "/u"]).expect(0).bytes,
        b"/u/caf\xe9\n\"/u/new\\nline\"\n"
    );
    // Without LOCAL they begin here, or at the root if all are whole.
    sandbox.feed(&["put", "--files-from", "-", "/v"], b"tree/c\n").expect(0);
    assert_eq!(sandbox.ok(&["ls", "-r", "/v"]), "/v/tree\n/v/tree/c\n");
    let whole = fs::canonicalize(sandbox.path("tree/c")).unwrap();
    let whole = whole.to_str().unwrap();
    sandbox.feed(&["put", "--files-from", "-", "/w"], whole.as_bytes()).expect(0);
    assert_eq!(sandbox.ok(&["cat", &format!("/w{whole}")]), "c");
    sandbox.feed(&["put", "--files-from", "-", "tree", "/x"], whole.as_bytes()).expect(0);
    assert_eq!(sandbox.ok(&["ls", "-r", "/x"]), "/x/c\n");
    // What is not there is said, and what leads elsewhere is refused.
    let run = sandbox.feed(&["put", "--files-from", "-", "tree", "/y"], b"c\nnone\n").expect(3);
    assert!(run.err.contains("tree/none: not read: it is not there"), "{}", run.err);
    let run = sandbox.feed(&["put", "--files-from", "-", "tree", "/y"], b"../list\n");
    run.refused(2, "..", "aeordb put --help");
    let run = sandbox.feed(&["put", "--files-from", "-", "tree", "/y"], b"/etc/passwd\n");
    run.refused(2, "/etc/passwd is not in tree", "aeordb put --help");
    let run = sandbox.feed(&["put", "--files-from", "-", "/y"], b"/etc/passwd\nlist\n");
    run.refused(2, "some do not", "aeordb put --help");
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    tree(&sandbox, &["a"]);
    sandbox.write("rules", "fine\n[z-a]\n");
    for (arguments, what) in [
        (&["--exclude", "[z-a]"][..], "[z-a]"),
        (&["--exclude", ""], "matches nothing"),
        (&["--include", "!x"], "an exception already"),
        (&["--exclude-from", "rules"], "rules, line 2"),
        (&["--ignore-file", "a/b"], "--ignore-file takes the name"),
        (&["--max-size", "many"], "is not a size"),
        (&["--keep-excluded"], "--mirror"),
        (&["--mirror", "--files-from", "rules"], "cannot be used with"),
    ] {
        let run = sandbox.run(&[&["put", "tree", "/t"], arguments].concat()).expect(2);
        assert!(run.err.contains(what), "{arguments:?}: {}", run.err);
    }
    sandbox.run(&["put", "--exclude-from", "none", "tree", "/t"]).expect(10);
    let run =
        sandbox.run(&["put", "--exclude", "x", "--from-command", "/t", "--", "true"]).expect(2);
    assert!(run.err.contains("cannot be used with"), "{}", run.err);
    assert!(!sandbox.exists("data.aeordb"));
    // The name that restic has for it.
    let report = sandbox.ok(&["put", "--exclude-larger-than", "0", "tree", "/t"]);
    assert_eq!(line(&report, "Excluded"), "1");
}

#[test]
fn a_mount_point_is_put_as_a_directory_when_file_systems_are_not_crossed() {
    let sandbox = Sandbox::new();
    sandbox.write("list", "/proc\n");
    let report = sandbox.ok(&["put", "-x", "--files-from", "list", "/", "/machine"]);
    assert_eq!(line(&report, "Mount points"), "1");
    assert_eq!(sandbox.ok(&["ls", "-r", "/machine"]), "/machine/proc\n");
}

#[test]
fn a_put_names_its_version_with_the_host_a_message_and_more() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    tree(&local, &["a"]);
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    let named = ["put", "tree", "/t", "--snapshot", "v1", "-m", "first", "--meta", "job=nightly"];
    pair.run(0, &[&named[..], &["--dry-run"]].concat());
    let report = pair.ok(&named);
    assert_eq!(line(&report, "Snapshot"), "v1");
    let kept = |printed: &str| {
        let kept: serde_json::Value =
            serde_json::from_str(printed.lines().last().unwrap()).unwrap();
        (kept["name"].clone(), kept["version"].clone(), kept["metadata"].clone())
    };
    let list = ["snapshot", "list", "--json"];
    let (name, version, metadata) = kept(&local.ok(&list));
    assert_eq!(kept(&pair.served.ok(&list)), (name, version.clone(), metadata.clone()));
    assert_eq!((&metadata["message"], &metadata["job"]), (&"first".into(), &"nightly".into()));
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(metadata["host"], host);
    assert_eq!(version, line(&report, "Version"));
    // The name is taken: nothing is read, and nothing changes, also not in a dry run.
    local.write("tree/b", "b");
    for more in [&[][..], &["--dry-run"]] {
        let run = pair.run(15, &[&named[..], more].concat());
        assert!(run.err.contains("snapshot v1 already exists"), "{}", run.err);
    }
    assert_eq!(pair.ok(&["ls", "/t"]), "a\n");
    // What is the same is named, too, and a host may be another.
    pair.run(0, &["put", "tree", "/t"]);
    pair.ok(&["put", "tree", "/t", "--snapshot", "v2", "--meta", "host=elsewhere"]);
    assert_eq!(kept(&pair.served.ok(&list)), kept(&local.ok(&list)));
    assert_eq!(kept(&local.ok(&list)).2["host"], "elsewhere");
    for arguments in [&["--meta", "a=b"][..], &["-m", "text"]] {
        local.run(&[&["put", "tree", "/t"], arguments].concat()).expect(2);
    }
}

#[test]
fn a_verbose_put_lists_what_it_does_as_it_goes() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    tree(&local, &["a", "b/c"]);
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    let verbose = |arguments: &[&str]| {
        let here = local.run(&[&["put", "-v"], arguments].concat()).expect(0).out();
        let tree = local.path("tree").to_str().unwrap().to_owned();
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "tree" { &*tree } else { word }).collect();
        let there = pair.served.run(&[&["put", "-v"][..], &arguments].concat()).expect(0).out();
        let [here, there] = [here, there].map(|printed| {
            let (listed, _) = printed.split_once("Put complete.").unwrap();
            listed.to_owned()
        });
        assert_eq!(there, here);
        here
    };
    assert_eq!(verbose(&["tree", "/t"]), "A /t/a\nA /t/b/c\nA /t/b\nA /t\n");
    assert_eq!(verbose(&["tree", "/t"]), "");
    local.write("tree/a", "another");
    fs::remove_dir_all(local.path("tree/b")).unwrap();
    let listed = verbose(&["--mirror", "tree", "/t"]);
    assert_eq!(listed, "M /t/a\nD /t/b\nD /t/b/c\nM /t\n");
    let lines = local.json_lines(&["put", "-v", "tree/a", "/new"]);
    assert_eq!((&lines[0]["change"], &lines[0]["path"]), (&"added".into(), &"/new".into()));
}

#[test]
fn the_same_tree_elsewhere_is_not_read_again_when_its_device_is_ignored() {
    let sandbox = Sandbox::new();
    tree(&sandbox, &["a", "b/c"]);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let copy = |from: &str, to: &str| {
        let cp = ["-a", from, to];
        assert!(std::process::Command::new("cp").args(cp).status().unwrap().success());
    };
    for name in ["tree/a", "tree/b/c"] {
        let times = fs::FileTimes::new().set_modified(old);
        fs::File::options().write(true).open(sandbox.path(name)).unwrap().set_times(times).unwrap();
    }
    let [from, to] =
        ["tree", "elsewhere"].map(|name| sandbox.path(name).to_str().unwrap().to_owned());
    copy(&from, &to);
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    sandbox.ok(&["put", "tree", "/t"]);
    // One that cannot be read is not missed if it is not read.
    sandbox.write("elsewhere/a", "A");
    let times = fs::FileTimes::new().set_modified(old);
    fs::File::options()
        .write(true)
        .open(sandbox.path("elsewhere/a"))
        .unwrap()
        .set_times(times)
        .unwrap();
    let flags = ["--ignore-device", "--ignore-inode"];
    let report = sandbox.ok(&[&["put", "elsewhere", "/t"][..], &flags].concat());
    assert_eq!(line(&report, "Files unchanged"), "2");
    let report = sandbox.ok(&["put", "elsewhere", "/t", "--ignore-device"]);
    assert_eq!(line(&report, "Files changed"), "1");
}
