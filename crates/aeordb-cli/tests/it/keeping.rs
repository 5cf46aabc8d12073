//! Retention of snapshots, on the file and through a server.

use crate::sandbox::{Run, Sandbox, number};
use crate::server::Served;

/// Does the same to a database of its own on the file and through a server.
fn both_ways(test: impl Fn(&dyn Fn(&[&str]) -> Run)) {
    for served in [false, true] {
        let sandbox = Sandbox::with_v2();
        for name in ["host/1", "host/2", "other/1", "host/3"] {
            sandbox.ok(&["snapshot", "create", name]);
        }
        match served {
            false => test(&|verb| sandbox.run(verb)),
            true => {
                let served = Served::start(&sandbox, "");
                test(&|verb| served.run(verb));
            }
        }
    }
}

fn names(run: &dyn Fn(&[&str]) -> Run) -> Vec<String> {
    let lines = run(&["snapshot", "list"]).expect(0).lines();
    lines.iter().filter_map(|line| line.split("  ").nth(2)).map(str::to_owned).collect()
}

#[test]
fn what_rules_do_not_keep_goes_and_a_dry_run_says_why_the_rest_stays() {
    both_ways(|run| {
        run(&["snapshot", "hold", "host/1"]).expect(0);
        let rules = ["keep", "--name", "host/*", "--last", "1"];
        let would = run(&[&rules[..], &["--dry-run"]].concat()).expect(0).out();
        assert!(would.starts_with("Nothing was changed (dry run).\n  Stays: "), "{would}");
        assert!(would.contains("  host/1  (held)\n"), "{would}");
        assert!(would.contains("  host/3  (last)\n"), "{would}");
        assert!(would.contains("  host/2\n") && !would.contains("other"), "{would}");
        assert_eq!(names(run).len(), 6);
        let done = run(&rules).expect(0).out();
        assert_eq!((number(&done, "Stay"), number(&done, "Go")), (2, 1));
        assert_eq!(names(run), ["host/1", "host/3", "other/1", "v1", "v2"]);
        let again = run(&rules).expect(0).out();
        assert_eq!(number(&again, "Go"), 0);
    });
}

#[test]
fn rules_are_stored_for_each_pattern_shown_applied_and_removed() {
    both_ways(|run| {
        run(&["keep"]).refused(2, "no rules were given", "keep --help");
        let set = ["keep", "--set", "--name", "*/*", "--group-by", "prefix", "--last", "1"];
        run(&set).expect(0);
        let shown = "--name '*/*' --group-by prefix --last 1 --yearly unlimited\n";
        let more = [&set[..], &["--yearly", "-1"]].concat();
        assert_eq!(run(&more).expect(0).out(), shown);
        assert_eq!(run(&["keep", "--show"]).expect(0).out(), shown);
        let done = run(&["keep"]).expect(0).out();
        assert_eq!(number(&done, "Go"), 1, "the oldest of a year that has no end stays: {done}");
        assert_eq!(names(run), ["host/1", "host/3", "other/1", "v1", "v2"]);
        run(&["keep", "--unset", "--name", "*/*"]).expect(0);
        assert!(run(&["keep", "--show"]).expect(0).out().is_empty());
        run(&["keep", "--unset"]).expect(10);
    });
}

#[test]
fn rules_that_would_keep_nothing_are_refused() {
    both_ways(|run| {
        run(&["keep", "--last", "0"]).refused(2, "would keep nothing", "keep --help");
        run(&["keep", "--set", "--last", "0"]).refused(2, "would keep nothing", "keep --help");
        run(&["keep", "--within", "soon"]).refused(2, "no duration", "keep --help");
        run(&["keep", "--last", "-3"]).expect(2);
        run(&["keep", "--name", "v1"]).expect(2);
        run(&["keep", "--set"]).expect(2);
        run(&["keep", "--name", "[", "--last", "1"]).refused(2, "pattern '['", "");
        assert_eq!(names(run).len(), 6);
    });
}
