//! Every verb on a file and through a server that serves it: the same output, errors and exit code.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, Run, line};
use crate::server::Served;

/// Runs a verb both ways and holds the outcomes against each other. Readers work on the file beside
/// the server, so both can be asked.
fn same(desk: &Desk, served: &Served<'_>, verb: &[&str]) -> Run {
    let (local, remote) = (desk.run(verb), served.run(verb));
    assert_eq!(remote.out(), local.out(), "{verb:?}\n{}", remote.err);
    assert_eq!(remote.err, local.err, "{verb:?}");
    assert_eq!(remote.code, local.code, "{verb:?}");
    remote
}

#[test]
fn what_is_read_through_a_server_is_what_is_read_from_the_file() {
    let desk = Desk::with_v2();
    let served = Served::start(&desk, "");
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
        same(&desk, &served, &verb).expect(0);
    }
}

#[test]
fn what_is_refused_on_the_file_is_refused_through_a_server_in_the_same_words() {
    let desk = Desk::with_v2();
    let served = Served::start(&desk, "");
    desk.write("there", "x");
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
        (10, vec!["export", "--output", "out", "--snapshot", "nothing"]),
        (10, vec!["export", "--output", "out", "--hash", "nothing"]),
        (10, vec!["export", "--output", "out", "--path", "/nothing"]),
        (15, vec!["export", "--output", "there"]),
        (10, vec!["diff", "--from", "nothing"]),
        (10, vec!["diff", "--from", "v1", "--output", "out", "--path", "/nothing"]),
        (2, vec!["import", "--file", "-", "--file", "-"]),
    ] {
        same(&desk, &served, &verb).expect(code);
    }
    assert!(!desk.exists("out"));
}

#[test]
fn exports_and_patches_are_the_same_bytes_with_the_same_reports() {
    let desk = Desk::with_v2();
    let served = Served::start(&desk, "");
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
        let here = desk.run(&verb).expect(0);
        let local = desk.read(&name);
        std::fs::remove_file(desk.path(&name)).unwrap();
        let there = served.run(&verb).expect(0);
        assert_eq!(there.out(), here.out(), "{verb:?}");
        desk.ok(&["verify", "--deep", "-d", &name]);
        assert_eq!(desk.read(&name).len(), local.len());
    }
    // The report goes beside the data.
    let (here, there) = (desk.run(&["export", "-o", "-"]), served.run(&["export", "-o", "-"]));
    assert_eq!(there.err, here.err);
    assert_eq!(there.bytes.len(), here.bytes.len());
}

#[test]
fn info_tells_of_the_database_of_the_server_and_of_files_that_are_here() {
    let desk = Desk::with_v2();
    desk.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    let served = Served::start(&desk, "");
    let here = desk.ok(&["info"]);
    let there = served.ok(&["info"]);
    assert_eq!(there.lines().next(), Some(served.url.as_str()));
    assert_eq!(there.lines().skip(1).collect::<Vec<_>>(), here.lines().skip(1).collect::<Vec<_>>());
    same(&desk, &served, &["info", "--changes", "patch.aeordb"]).expect(0);
    let both = served.ok(&["info", "--with", "patch.aeordb"]);
    assert!(both.contains("Chain\n"), "{both}");
}

#[test]
fn a_tree_is_restored_through_a_server_as_from_the_file() {
    let desk = Desk::with_v2();
    desk.write("more/tool", "runs\n");
    let mode = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(desk.path("more/tool"), mode).unwrap();
    std::os::unix::fs::symlink("tool", desk.path("more/link")).unwrap();
    desk.write(std::ffi::OsStr::from_bytes(b"more/not \xff text"), "bytes\n");
    desk.ok(&["put", "more", "/more"]);
    let served = Served::start(&desk, "");
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
        let here = desk.ok(&[verb.clone(), vec![&local]].concat());
        assert_eq!(served.ok(&[verb, vec![&remote]].concat()), here);
        let list = |name: &str| {
            let format = "find . -mindepth 1 -printf '%P %y %m %T@ %l\n' | sort";
            let script = match desk.path(name).is_dir() {
                true => format!("cd {name} && {format}"),
                false => format!("stat -c '%A %y' {name}"),
            };
            let mut shell = std::process::Command::new("bash");
            shell.args(["-c", &script]).current_dir(desk.path("")).output().unwrap().stdout
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
    let source = Desk::with_v2();
    source.ok(&["export", "--snapshot", "v1", "--output", "full.aeordb"]);
    source.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    let (here, there) = (Desk::new(), Desk::new());
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
    let desk = Desk::with_v2();
    desk.ok(&["diff", "--from", "v1", "--to", "v2", "--output", "patch.aeordb"]);
    desk.ok(&["promote", "--hash", "v1"]);
    desk.write("a.txt", "mine\n");
    desk.ok(&["put", "a.txt", "/docs/a.txt"]);
    std::fs::copy(desk.path("data.aeordb"), desk.path("copy.aeordb")).unwrap();
    let served = Served::start(&desk, "");
    for how in [vec![], vec!["--json"], vec!["--ours"], vec!["--theirs", "--promote"]] {
        let verb = [vec!["import", "--file", "patch.aeordb", "--merge"], how].concat();
        let here = desk.run(&[verb.clone(), vec!["-d", "copy.aeordb"]].concat());
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
    let source = Desk::with_v2();
    source.ok(&["export", "--output", "full.aeordb"]);
    let desk = Desk::with_v1();
    std::fs::copy(source.path("full.aeordb"), desk.path("full.aeordb")).unwrap();
    let served = Served::start(&desk, "");
    let head = desk.version("HEAD");
    let verb = ["import", "--file", "full.aeordb", "--promote", "--undo", "undo.aeordb"];
    desk.write("undo.aeordb", "mine");
    served.run(&verb).expect(15);
    std::fs::remove_file(desk.path("undo.aeordb")).unwrap();
    let report = served.ok(&verb);
    assert!(report.ends_with("HEAD has been promoted.\n"), "{report}");
    assert_eq!(line(&report, "Version"), source.version("HEAD"));
    assert_eq!(desk.version("HEAD"), source.version("HEAD"));
    served.ok(&["import", "--file", "undo.aeordb", "--promote"]);
    assert_eq!(desk.version("HEAD"), head);
}

#[test]
fn a_name_that_is_not_text_is_removed_through_a_server() {
    let desk = Desk::new();
    desk.write(std::ffi::OsStr::from_bytes(b"tree/\xff"), "x");
    desk.write("tree/a", "a");
    desk.ok(&["put", "tree", "/"]);
    let served = Served::start(&desk, "");
    let arguments: [&std::ffi::OsStr; 4] = [
        "rm".as_ref(),
        std::ffi::OsStr::from_bytes(b"/\xff"),
        "--server".as_ref(),
        served.url.as_ref(),
    ];
    let output = desk.command(&arguments).env("AEORDB_API_KEY", &served.key).output().unwrap();
    Run::new(&arguments, output).expect(0);
    assert_eq!(served.ok(&["ls", "-r"]), "/a\n");
}

#[test]
fn patches_that_are_here_lie_on_the_database_of_the_server() {
    let desk = Desk::with_v2();
    desk.write("tree/docs/later.txt", "later\n");
    std::fs::copy(desk.path("data.aeordb"), desk.path("other.aeordb")).unwrap();
    desk.ok(&["put", "--mirror", "tree", "/", "-d", "other.aeordb"]);
    desk.write("tree/docs/last.txt", "last\n");
    desk.ok(&["put", "--mirror", "tree", "/", "-d", "other.aeordb"]);
    let patch = |from: &str, to: &str, name: &str| {
        let verb = ["diff", "-d", "other.aeordb", "--from", from, "--to", to, "-o", name];
        desk.ok(&verb);
    };
    patch("v2", "HEAD~1", "p1");
    patch("HEAD~1", "HEAD", "p2");
    let served = Served::start(&desk, "");
    for verb in [
        vec!["ls", "-r"],
        vec!["cat", "/docs/last.txt", "HEAD~1:/docs/later.txt"],
        vec!["stat", "/docs"],
        vec!["du", "-a", "/docs"],
        vec!["diff", "--from", "v1"],
        vec!["get", "/docs/last.txt", "-"],
    ] {
        let with = ["--with", "p1", "--with", "p2"];
        same(&desk, &served, &[verb, with.to_vec()].concat()).expect(0);
    }
    let both = ["verify", "--deep", "--with", "p1", "--with", "p2"];
    same(&desk, &served, &both).expect(0);
    served.ok(&["export", "--with", "p1", "-o", "full.aeordb"]);
    assert_eq!(desk.ok(&["cat", "/docs/later.txt", "-d", "full.aeordb"]), "later\n");
    served.ok(&["get", "--with", "p1", "/docs", "out"]);
    assert_eq!(desk.read("out/later.txt"), b"later\n");
    // Nothing of it is in the database.
    served.run(&["cat", "/docs/later.txt"]).expect(10);
    // A chain that is broken, and a file that is no patch for it.
    served.run(&["ls", "--with", "p2", "--with", "p1"]).expect(13);
    let lone = served.run(&["ls", "--with", "p2"]).expect(13);
    assert!(lone.err.contains("p2 starts from version"), "{}", lone.err);
    desk.write("cut", &desk.read("p1")[..200]);
    let cut = same(&desk, &served, &["ls", "--with", "cut"]);
    assert_ne!(cut.code, 0);
}
