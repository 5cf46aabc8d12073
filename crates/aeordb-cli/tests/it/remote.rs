//! Every verb on a file and through a server that serves it: the same output, errors and exit code.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Run, Sandbox, line};
use crate::server::Served;

/// Runs a verb both ways and holds the outcomes against each other. Readers work on the file beside
/// the server, so both can be asked.
fn same(sandbox: &Sandbox, served: &Served<'_>, verb: &[&str]) -> Run {
    let (local, remote) = (sandbox.run(verb), served.run(verb));
    assert_eq!(remote.out(), local.out(), "{verb:?}\n{}", remote.err);
    assert_eq!(remote.err, local.err, "{verb:?}");
    assert_eq!(remote.code, local.code, "{verb:?}");
    remote
}

#[test]
fn what_is_read_through_a_server_is_what_is_read_from_the_file() {
    let sandbox = Sandbox::with_v2();
    let served = Served::start(&sandbox, "");
    for verb in [
        vec!["ls"],
        vec!["ls", "-r", "-l", "/"],
        vec!["ls", "--json", "/docs"],
        vec!["ls", "/docs/a.txt"],
        vec!["ls", "-r", "v1:/"],
        vec!["ls", "-r", "-n", "2"],
        vec!["ls", "-n", "0", "/"],
        vec!["ls", "-n", "1", "/docs"],
        vec!["ls", "--after", "a.txt", "/docs"],
        vec!["ls", "--after", "a.txt", "-n", "1", "--json", "/docs"],
        vec!["cat", "/docs/a.txt"],
        vec!["cat", "v1:/docs/a.txt", "/docs/b.txt"],
        vec!["get", "/docs/a.txt", "-"],
        vec!["stat", "/docs/a.txt", "/docs", "/"],
        vec!["stat", "--json", "/docs/a.txt", "--at", "v1"],
        vec!["du"],
        vec!["du", "-a", "/", "/docs"],
        vec!["du", "-s", "-H", "/docs/a.txt", "v1:/docs"],
        vec!["du", "--json", "--at", "v1"],
        vec!["rm", "--dry-run", "-r", "/docs"],
        vec!["rm", "--dry-run", "--json", "/docs/a.txt"],
        vec!["snapshot", "list"],
        vec!["snapshot", "list", "--json"],
        vec!["snapshot", "list", "--name", "*2"],
        vec!["snapshot", "show", "v1"],
        vec!["snapshot", "show", "v1", "--json"],
        vec!["snapshot", "delete", "--dry-run", "v1"],
        vec!["log"],
        vec!["log", "-n", "1", "--json"],
        vec!["log", "-n", "0"],
        vec!["diff", "--from", "v1", "--to", "v2"],
        vec!["diff", "--from", "v1", "--json"],
        vec!["diff", "--from", "v1", "--path", "/docs"],
        vec!["key", "list"],
        vec!["gc", "--dry-run", "--quiet"],
        vec!["verify", "--deep"],
        vec!["verify", "--json"],
        vec!["completions", "bash"],
        vec!["man", "ls"],
    ] {
        same(&sandbox, &served, &verb).expect(0);
    }
}

#[test]
fn what_is_refused_on_the_file_is_refused_through_a_server_in_the_same_words() {
    let sandbox = Sandbox::with_v2();
    let served = Served::start(&sandbox, "");
    sandbox.write("there", "x");
    for (code, verb) in [
        (10, vec!["cat", "/nothing"]),
        (10, vec!["ls", "/nothing"]),
        (10, vec!["ls", "/", "--at", "nothing"]),
        (10, vec!["du", "nothing:/"]),
        (10, vec!["stat", "/docs/a.txt", "/nothing"]),
        (10, vec!["get", "/nothing", "out"]),
        (15, vec!["get", "/docs/a.txt", "there"]),
        (2, vec!["cat", "/docs/a.txt", "/docs"]),
        (2, vec!["rm", "--dry-run", "/docs"]),
        (10, vec!["rm", "--dry-run", "/nothing"]),
        (10, vec!["snapshot", "delete", "--dry-run", "nothing"]),
        (10, vec!["snapshot", "show", "nothing/there"]),
        (2, vec!["snapshot", "list", "--name", "["]),
        (10, vec!["export", "--output", "out", "--snapshot", "nothing"]),
        (10, vec!["export", "--output", "out", "--hash", "nothing"]),
        (10, vec!["export", "--output", "out", "--path", "/nothing"]),
        (15, vec!["export", "--output", "there"]),
        (10, vec!["diff", "--from", "nothing"]),
        (10, vec!["diff", "--from", "v1", "--output", "out", "--path", "/nothing"]),
        (2, vec!["import", "--file", "-", "--file", "-"]),
    ] {
        same(&sandbox, &served, &verb).expect(code);
    }
    assert!(!sandbox.exists("out"));
}

#[test]
fn exports_and_patches_are_the_same_bytes_with_the_same_reports() {
    let sandbox = Sandbox::with_v2();
    let served = Served::start(&sandbox, "");
    for (number, verb) in [
        vec!["export"],
        vec!["export", "--snapshot", "v1", "--json"],
        vec!["export", "--path", "/docs"],
        vec!["diff", "--from", "v1"],
        vec!["diff", "--from", "v1", "--path", "/docs/a.txt"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{number}.aeordb");
        let verb = [verb, vec!["--output", &name]].concat();
        let here = sandbox.run(&verb).expect(0);
        let local = sandbox.read(&name);
        std::fs::remove_file(sandbox.path(&name)).unwrap();
        let there = served.run(&verb).expect(0);
        assert_eq!(there.out(), here.out(), "{verb:?}");
        sandbox.ok(&["verify", "--deep", "-d", &name]);
        assert_eq!(sandbox.read(&name).len(), local.len());
    }
    // The report goes beside the data.
    let (here, there) = (sandbox.run(&["export", "-o", "-"]), served.run(&["export", "-o", "-"]));
    assert_eq!(there.err, here.err);
    assert_eq!(there.bytes.len(), here.bytes.len());
}

#[test]
fn info_tells_of_the_database_of_the_server_and_of_files_that_are_here() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    let served = Served::start(&sandbox, "");
    let here = sandbox.ok(&["info"]);
    let there = served.ok(&["info"]);
    assert_eq!(there.lines().next(), Some(served.url.as_str()));
    assert_eq!(there.lines().skip(1).collect::<Vec<_>>(), here.lines().skip(1).collect::<Vec<_>>());
    same(&sandbox, &served, &["info", "--changes", "patch.aeordb"]).expect(0);
    let both = served.ok(&["info", "--with", "patch.aeordb"]);
    assert!(both.contains("Chain\n"), "{both}");
}

#[test]
fn a_tree_is_restored_through_a_server_as_from_the_file() {
    let sandbox = Sandbox::with_v2();
    sandbox.write("more/tool", "runs\n");
    let mode = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(sandbox.path("more/tool"), mode).unwrap();
    std::os::unix::fs::symlink("tool", sandbox.path("more/link")).unwrap();
    sandbox.write(std::ffi::OsStr::from_bytes(b"more/not \xff text"), "bytes\n");
    sandbox.ok(&["put", "more", "/more"]);
    let served = Served::start(&sandbox, "");
    for (number, verb) in [
        vec!["get", "/"],
        vec!["get", "--set-ids", "/more"],
        vec!["get", "v1:/docs"],
        vec!["get", "--json", "/more/tool"],
        vec!["get", "/more/link"],
    ]
    .into_iter()
    .enumerate()
    {
        let (local, remote) = (format!("local-{number}"), format!("remote-{number}"));
        let here = sandbox.ok(&[verb.clone(), vec![&local]].concat());
        assert_eq!(served.ok(&[verb, vec![&remote]].concat()), here);
        let list = |name: &str| {
            let format = "find . -mindepth 1 -printf '%P %y %m %T@ %l\n' | sort";
            let script = match sandbox.path(name).is_dir() {
                true => format!("cd {name} && {format}"),
                false => format!("stat -c '%A %y' {name}"),
            };
            let mut shell = std::process::Command::new("bash");
            shell.args(["-c", &script]).current_dir(sandbox.path("")).output().unwrap().stdout
        };
        let (here, there) = (list(&local), list(&remote));
        assert!(!here.is_empty());
        assert_eq!(String::from_utf8_lossy(&there), String::from_utf8_lossy(&here));
    }
    served.run(&["get", "/more", "remote-1"]).expect(15);
    served.ok(&["get", "--force", "/more", "remote-1"]);
}

#[test]
fn a_full_and_its_patches_are_one_import_through_a_server() {
    let source = Sandbox::with_v2();
    source.ok(&["export", "--snapshot", "v1", "--output", "full.aeordb"]);
    source.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let path = |name: &str| source.path(name).to_str().unwrap().to_owned();
    let (full, patch) = (path("full.aeordb"), path("patch.aeordb"));
    let served = Served::start(&there, "");
    let both = ["import", "--file", &full, "--file", &patch, "--promote", "--snapshot", "v2"];
    let imported = served.ok(&both);
    assert_eq!(imported, here.ok(&both));
    assert_eq!(served.ok(&["ls", "-r", "--at", "v2"]), source.ok(&["ls", "-r"]));
    // In the wrong order, and of a file that is cut off: it is named, and nothing changes.
    let head = served.ok(&["log"]);
    let wrong = ["import", "--file", &patch, "--file", &patch];
    let wrong = served.run(&wrong).expect(13);
    assert!(wrong.err.contains("patch.aeordb starts from"), "{}", wrong.err);
    let bytes = source.read("patch.aeordb");
    there.write("cut.aeordb", &bytes[..bytes.len() - 7]);
    let cut = served.run(&["import", "--file", &full, "--file", "cut.aeordb"]).expect(14);
    let said = there.run(&["import", "-d", "new", "--file", &full, "--file", "cut.aeordb"]);
    assert_eq!(cut.err, said.err);
    assert_eq!(served.ok(&["log"]), head);
}

#[test]
fn a_merge_through_a_server_reports_what_both_changed() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--from", "v1", "--to", "v2", "--output", "patch.aeordb"]);
    sandbox.ok(&["promote", "--hash", "v1"]);
    sandbox.write("a.txt", "mine\n");
    sandbox.ok(&["put", "a.txt", "/docs/a.txt"]);
    std::fs::copy(sandbox.path("data.aeordb"), sandbox.path("copy.aeordb")).unwrap();
    let served = Served::start(&sandbox, "");
    for how in [vec![], vec!["--json"], vec!["--ours"], vec!["--theirs", "--promote"]] {
        let verb = [vec!["import", "--file", "patch.aeordb", "--merge"], how].concat();
        let here = sandbox.run(&[verb.clone(), vec!["-d", "copy.aeordb"]].concat());
        let there = served.run(&verb);
        assert_eq!(there.code, here.code, "{verb:?} {}", there.err);
        if !verb.contains(&"--json") {
            assert_eq!(there.out(), here.out(), "{verb:?}");
            continue;
        }
        let json = |run: &Run| serde_json::from_str::<serde_json::Value>(&run.out()).unwrap();
        assert_eq!(json(&there)["merge"], json(&here)["merge"]);
    }
    assert_eq!(served.ok(&["cat", "/docs/a.txt"]), "alpha, changed\n");
}

#[test]
fn the_patch_that_leads_back_is_here_before_the_server_moves_head() {
    let source = Sandbox::with_v2();
    source.ok(&["export", "--output", "full.aeordb"]);
    let sandbox = Sandbox::with_v1();
    std::fs::copy(source.path("full.aeordb"), sandbox.path("full.aeordb")).unwrap();
    let served = Served::start(&sandbox, "");
    let head = sandbox.version("HEAD");
    let verb = ["import", "--file", "full.aeordb", "--promote", "--undo", "undo.aeordb"];
    sandbox.write("undo.aeordb", "mine");
    served.run(&verb).expect(15);
    std::fs::remove_file(sandbox.path("undo.aeordb")).unwrap();
    let report = served.ok(&verb);
    assert!(report.ends_with("HEAD has been promoted.\n"), "{report}");
    assert_eq!(line(&report, "Version"), source.version("HEAD"));
    assert_eq!(sandbox.version("HEAD"), source.version("HEAD"));
    served.ok(&["import", "--file", "undo.aeordb", "--promote"]);
    assert_eq!(sandbox.version("HEAD"), head);
}

#[test]
fn a_name_that_is_not_text_is_removed_through_a_server() {
    let sandbox = Sandbox::new();
    sandbox.write(std::ffi::OsStr::from_bytes(b"tree/\xff"), "x");
    sandbox.write("tree/a", "a");
    sandbox.ok(&["put", "tree", "/"]);
    let served = Served::start(&sandbox, "");
    let arguments: [&std::ffi::OsStr; 4] = [
        "rm".as_ref(),
        std::ffi::OsStr::from_bytes(b"/\xff"),
        "--server".as_ref(),
        served.url.as_ref(),
    ];
    let output = sandbox.command(&arguments).env("AEORDB_API_KEY", &served.key).output().unwrap();
    Run::new(&arguments, output).expect(0);
    assert_eq!(served.ok(&["ls", "-r"]), "/a\n");
}

#[test]
fn patches_that_are_here_lie_on_the_database_of_the_server() {
    let sandbox = Sandbox::with_v2();
    sandbox.write("tree/docs/later.txt", "later\n");
    std::fs::copy(sandbox.path("data.aeordb"), sandbox.path("other.aeordb")).unwrap();
    sandbox.ok(&["put", "--mirror", "tree", "/", "-d", "other.aeordb"]);
    sandbox.write("tree/docs/last.txt", "last\n");
    sandbox.ok(&["put", "--mirror", "tree", "/", "-d", "other.aeordb"]);
    let patch = |from: &str, to: &str, name: &str| {
        let verb = ["diff", "-d", "other.aeordb", "--from", from, "--to", to, "-o", name];
        sandbox.ok(&verb);
    };
    patch("v2", "HEAD~1", "p1");
    patch("HEAD~1", "HEAD", "p2");
    let served = Served::start(&sandbox, "");
    for verb in [
        vec!["ls", "-r"],
        vec!["cat", "/docs/last.txt", "HEAD~1:/docs/later.txt"],
        vec!["stat", "/docs"],
        vec!["du", "-a", "/docs"],
        vec!["diff", "--from", "v1"],
        vec!["get", "/docs/last.txt", "-"],
    ] {
        let with = ["--with", "p1", "--with", "p2"];
        same(&sandbox, &served, &[verb, with.to_vec()].concat()).expect(0);
    }
    let both = ["verify", "--deep", "--with", "p1", "--with", "p2"];
    same(&sandbox, &served, &both).expect(0);
    served.ok(&["export", "--with", "p1", "-o", "full.aeordb"]);
    assert_eq!(sandbox.ok(&["cat", "/docs/later.txt", "-d", "full.aeordb"]), "later\n");
    served.ok(&["get", "--with", "p1", "/docs", "out"]);
    assert_eq!(sandbox.read("out/later.txt"), b"later\n");
    // Nothing of it is in the database.
    served.run(&["cat", "/docs/later.txt"]).expect(10);
    // A chain that is broken, and a file that is no patch for it.
    served.run(&["ls", "--with", "p2", "--with", "p1"]).expect(13);
    let lone = served.run(&["ls", "--with", "p2"]).expect(13);
    assert!(lone.err.contains("p2 starts from version"), "{}", lone.err);
    sandbox.write("cut", &sandbox.read("p1")[..200]);
    let cut = same(&sandbox, &served, &["ls", "--with", "cut"]);
    assert_ne!(cut.code, 0);
}
