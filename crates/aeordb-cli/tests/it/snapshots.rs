//! Snapshots: their names, what is said of them, holds; on the file and through a server.

use crate::sandbox::{Sandbox, line};
use crate::server::Served;

/// Does the same to a database of its own on the file and through a server.
fn both_ways(test: impl Fn(&dyn Fn(&[&str]) -> crate::sandbox::Run)) {
    let sandbox = Sandbox::with_v2();
    test(&|verb| sandbox.run(verb));
    let sandbox = Sandbox::with_v2();
    let served = Served::start(&sandbox, "");
    test(&|verb| served.run(verb));
}

#[test]
fn names_as_people_write_them_name_versions_and_paths_in_them() {
    both_ways(|run| {
        for name in ["host/daily", "2026-11-01T12:00"] {
            run(&["snapshot", "create", name, "--at", "v1"]).expect(0);
            let inside = format!("{name}:/docs/a.txt");
            let first = run(&["cat", "v1:/docs/a.txt"]).expect(0).out();
            assert_eq!(run(&["cat", &inside]).expect(0).out(), first);
            assert_eq!(run(&["cat", "/docs/a.txt", "--at", name]).expect(0).out(), first);
            assert!(run(&["diff", "--from", name, "--to", "v1"]).expect(0).out().is_empty());
            assert_eq!(line(&run(&["snapshot", "show", name]).expect(0).out(), "Name"), name);
            run(&["snapshot", "delete", name]).expect(0);
        }
        run(&["snapshot", "create", "v1..v2"]).refused(2, "v1..v2", "snapshot create --help");
        run(&["snapshot", "create", "a:/b"]).refused(2, "a:/b", "snapshot create --help");
        run(&["snapshot", "create", "latest"]).refused(2, "reserved", "snapshot create --help");
    });
}

#[test]
fn a_held_snapshot_stays_and_the_refusal_names_what_lets_it_go() {
    both_ways(|run| {
        run(&["snapshot", "hold", "v1"]).expect(0);
        assert!(run(&["snapshot", "list"]).expect(0).out().contains("  v1  (held)\n"));
        for verb in [&["snapshot", "delete", "v1"][..], &["snapshot", "rm", "--dry-run", "v1"]] {
            run(verb).refused(1, "snapshot v1 is held", "aeordb snapshot release v1");
        }
        run(&["snapshot", "rename", "v2", "v1"]).refused(15, "v1", "another name");
        let moved = run(&["snapshot", "rename", "v1", "year/1"]).expect(0).out();
        assert_eq!(line(&moved, "Held"), "until it is released");
        run(&["snapshot", "release", "year/1"]).expect(0);
        run(&["snapshot", "delete", "year/1"]).expect(0);
        run(&["snapshot", "hold", "year/1"]).refused(10, "year/1", "snapshot list");
    });
}

#[test]
fn metadata_is_changed_and_listed_by() {
    both_ways(|run| {
        run(&["snapshot", "edit", "v1", "--meta", "kind=nightly", "--meta", "n=1"]).expect(0);
        run(&["snapshot", "edit", "v2", "--meta", "kind=nightly"]).expect(0);
        run(&["snapshot", "edit", "v1", "--remove-meta", "n"]).expect(0);
        run(&["snapshot", "edit", "v1"]).expect(2);
        let listed = |more: &[&str]| {
            let verb = [&["snapshot", "list"], more].concat();
            let lines = run(&verb).expect(0).lines();
            lines.iter().map(|line| line[line.len() - 2..].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&["--meta", "kind=nightly"]), ["v1", "v2"]);
        assert_eq!(listed(&["--meta", "kind=nightly", "--name", "*1"]), ["v1"]);
        assert!(listed(&["--meta", "n=1"]).is_empty());
    });
}
