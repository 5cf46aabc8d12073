//! `find` and `log PATH`, on a file and through a server.

use std::fs;

use crate::remote_trees::Pair;
use crate::sandbox::Sandbox;
use crate::server::Served;

/// Three versions: `/d/a.txt` is there in all and another in each, `/d/b.log` only in the first,
/// `/e/c.txt` from the second on; the first is called `v1`.
fn pair<'d>(local: &'d Sandbox, remote: &'d Sandbox) -> Pair<'d> {
    local.write("tree/d/a.txt", "one");
    local.write("tree/d/b.log", vec![7; 5000]);
    fs::create_dir_all(local.path("tree/same/below")).unwrap();
    local.write("tree/same/below/old.txt", "the same");
    let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let old = fs::File::options().write(true).open(local.path("tree/same/below/old.txt")).unwrap();
    old.set_modified(day).unwrap();
    let pair = Pair { local, served: Served::start(remote, "") };
    pair.ok(&["put", "tree", "/"]);
    pair.ok(&["snapshot", "create", "v1", "-q"]);
    local.write("tree/d/a.txt", "two!");
    local.write("tree/e/c.txt", "new");
    fs::remove_file(local.path("tree/d/b.log")).unwrap();
    pair.ok(&["put", "--mirror", "tree", "/"]);
    local.write("tree/d/a.txt", "three");
    pair.ok(&["put", "--mirror", "tree", "/"]);
    pair
}

#[test]
fn files_are_found_by_name_kind_size_and_time() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let all = "/d/a.txt\n/e/c.txt\n/same/below/old.txt\n";
    assert_eq!(pair.ok(&["find", "*.txt"]), all);
    assert_eq!(pair.ok(&["find", "*.txt", "/e"]), "/e/c.txt\n");
    assert_eq!(pair.ok(&["find", "/below", "/same"]), "/same/below\n");
    assert_eq!(pair.ok(&["find", "/below"]), "");
    assert_eq!(pair.ok(&["find", "same/**"]), "/same/below\n/same/below/old.txt\n");
    assert_eq!(pair.ok(&["find", "*", "--type", "d"]), "/d\n/e\n/same\n/same/below\n");
    assert_eq!(pair.ok(&["find", "*.txt", "--older", "2001-09-10"]), "/same/below/old.txt\n");
    assert_eq!(pair.ok(&["find", "*.txt", "--newer", "1d"]), "/d/a.txt\n/e/c.txt\n");
    assert_eq!(pair.ok(&["find", "*", "v1:/", "--size", "+4K"]), "/d/b.log\n");
    assert_eq!(pair.ok(&["find", "*", "--at", "v1", "--size", "-4"]), "/d/a.txt\n");
    assert_eq!(pair.ok(&["find", "*.txt", "/e", "-0"]), "/e/c.txt\0");
    let json = local.json_lines(&["find", "c.*"]);
    assert_eq!((&json[0]["path"], &json[0]["size"]), (&"/e/c.txt".into(), &3.into()));
    pair.run(10, &["find", "*", "/none"]);
    pair.run(2, &["find", "*", "/d/a.txt"]);
    pair.run(2, &["find", "[z-a]"]);
    pair.run(2, &["find", "*", "--newer", "soon"]);
    pair.run(2, &["find", "*", "--size", "many"]);
}

#[test]
fn every_state_of_a_path_is_found_once_in_all_versions() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let (third, second, first) =
        (local.version("HEAD"), local.version("HEAD~1"), local.version("v1"));
    let found = pair.ok(&["find", "a.txt", "--versions"]);
    let all = format!("{third}:/d/a.txt\n{second}:/d/a.txt\n{first}:/d/a.txt\n");
    assert_eq!(found, all);
    let place = found.lines().last().unwrap();
    assert_eq!(pair.ok(&["cat", place]), "one");
    assert_eq!(pair.ok(&["find", "*.log", "--versions"]), format!("{first}:/d/b.log\n"));
    assert_eq!(
        pair.ok(&["find", "old.txt", "--versions"]),
        format!("{third}:/same/below/old.txt\n")
    );
    assert_eq!(pair.ok(&["find", "*.txt", "/e", "--versions"]), format!("{third}:/e/c.txt\n"));
    let json = local.json_lines(&["find", "b.log", "--versions"]);
    assert_eq!(json[0]["snapshots"], serde_json::json!(["v1"]));
    // What only a snapshot has is found, too, and what a file without a history has.
    pair.run(10, &["find", "*", "/none", "--versions"]);
    pair.run(2, &["find", "*", "v1:/", "--versions"]);
    local.ok(&["export", "v1", "-o", "v1.aeordb"]);
    let found = local.ok(&["find", "b.*", "--versions", "-d", "v1.aeordb"]);
    assert_eq!(found, format!("{first}:/d/b.log\n"));
}

#[test]
fn the_versions_that_changed_a_path_are_listed() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = pair(&local, &remote);
    let (third, second, first) =
        (local.version("HEAD"), local.version("HEAD~1"), local.version("v1"));
    let without_time = |sandbox: &Pair<'_>, arguments: &[&str]| {
        let local = sandbox.local.ok(arguments);
        let there = sandbox.served.run(arguments).expect(0).out();
        let strip = |text: &str| -> Vec<String> {
            let fields = text.lines().map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                [&fields[..1], &fields[2..]].concat().join(" ")
            });
            fields.collect()
        };
        assert_eq!(strip(&local), strip(&there));
        strip(&local)
    };
    let found = without_time(&pair, &["log", "/d/a.txt"]);
    let all = [format!("{third} M put"), format!("{second} M put"), format!("{first} A put (v1)")];
    assert_eq!(found, all);
    let found = without_time(&pair, &["log", "/d/b.log"]);
    assert_eq!(found, [format!("{second} D put"), format!("{first} A put (v1)")]);
    assert_eq!(without_time(&pair, &["log", "/same"]), [format!("{first} A put (v1)")]);
    assert_eq!(without_time(&pair, &["log", "/e/c.txt", "-n", "1"]), [format!("{second} A put")]);
    assert_eq!(without_time(&pair, &["log", "/", "-n", "1"]), [format!("{third} M put")]);
    pair.run(10, &["log", "/none"]);
    pair.run(10, &["log", "/d/a.txt/below"]);
    let json = local.json_lines(&["log", "/d/a.txt"]);
    assert_eq!(json[0]["differs"][0], "size");
    assert_eq!((&json[2]["change"], &json[2]["snapshots"][0]), (&"added".into(), &"v1".into()));
    // A way back is a change.
    local.ok(&["promote", "v1", "-q"]);
    let lines = local.ok(&["log", "/d/b.log"]);
    assert!(lines.lines().next().unwrap().starts_with(&first), "{lines}");
    assert_eq!(lines.lines().count(), 3);
}
