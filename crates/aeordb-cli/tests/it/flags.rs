//! Flags in every position, the environment, help, completions, manual pages.

use crate::desk::{Desk, Run};

#[test]
fn flags_stand_before_or_after_anything() {
    let desk = Desk::with_v1();
    let listed = desk.ok(&["ls", "/docs"]);
    for arguments in [
        &["--database", "data.aeordb", "ls", "/docs"][..],
        &["ls", "--database", "data.aeordb", "/docs"],
        &["ls", "/docs", "--database", "data.aeordb"],
        &["ls", "/docs", "--database=data.aeordb"],
        &["-d", "data.aeordb", "ls", "/docs", "--at", "v1"],
        &["ls", "--at", "v1", "/docs", "-d", "data.aeordb", "--no-progress"],
    ] {
        assert_eq!(desk.ok(arguments), listed, "{arguments:?}");
    }
    desk.ok(&["snapshot", "create", "s1", "--database", "data.aeordb"]);
    desk.ok(&["--database", "data.aeordb", "snapshot", "create", "s2"]);
    desk.ok(&["snapshot", "--database", "data.aeordb", "create", "s3"]);
    assert_eq!(desk.ok(&["snapshot", "list"]).lines().count(), 4);
}

#[test]
fn the_environment_names_the_database_unless_a_flag_does() {
    let desk = Desk::with_v1();
    std::fs::rename(desk.path("data.aeordb"), desk.path("x.aeordb")).unwrap();
    let mut ls = desk.command(&["ls"]);
    let output = ls.env("AEORDB_DATABASE", "x.aeordb").output().unwrap();
    assert_eq!(output.stdout, b"docs\ntop.txt\n");
    let mut ls = desk.command(&["ls", "-d", "x.aeordb"]);
    let output = ls.env("AEORDB_DATABASE", "none.aeordb").output().unwrap();
    assert_eq!(output.stdout, b"docs\ntop.txt\n");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let desk = Desk::new();
    let help = desk.ok(&["--help"]);
    assert!(help.contains("Exit codes:") && help.contains("Usage: aeordb"), "{help}");
    assert!(desk.ok(&["--version"]).starts_with("aeordb "));
    let help = desk.ok(&["import", "--help"]);
    assert!(help.contains("--promote") && help.contains("Examples:"), "{help}");
    assert_eq!(
        desk.ok(&["help", "snapshot", "create"]),
        desk.ok(&["snapshot", "create", "--help"])
    );
}

#[test]
fn an_unknown_flag_is_explained_on_standard_error() {
    let desk = Desk::new();
    let run = desk.run(&["import", "--promot"]).expect(2);
    assert!(run.err.contains("--promote") && run.out().is_empty(), "{}", run.err);
}

#[test]
fn versions_and_files_stand_beside_the_flags_that_name_them() {
    let desk = Desk::with_v1();
    desk.write("tree/later", "later");
    desk.ok(&["put", "tree", "/", "-q"]);
    desk.ok(&["snapshot", "create", "v2", "-q"]);
    let listed = desk.ok(&["diff", "--from", "v1", "--to", "v2"]);
    assert!(!listed.is_empty());
    for spelled in [&["v1", "v2"][..], &["v1..v2"], &["v1"], &["v1.."]] {
        assert_eq!(desk.ok(&[&["diff"], spelled].concat()), listed, "{spelled:?}");
    }
    let back = desk.ok(&["diff", "--from", "HEAD", "--to", "v1"]);
    assert_eq!(desk.ok(&["diff", "..v1"]), back);
    desk.run(&["diff", "v1", "--from", "v1"]).expect(2);
    desk.run(&["diff"]).expect(2);

    desk.ok(&["export", "v1", "-o", "full.aeordb"]);
    desk.ok(&["export", "--snapshot", "v1", "-o", "same.aeordb"]);
    assert_eq!(desk.read("full.aeordb"), desk.read("same.aeordb"));
    desk.run(&["export", "v1", "--hash", "v2", "-o", "never.aeordb"]).expect(2);
    desk.ok(&["diff", "v1..v2", "-o", "patch.aeordb"]);
    desk.ok(&["verify", "full.aeordb", "--deep"]);
    desk.run(&["verify", "nothing.aeordb"]).expect(10);

    desk.ok(&["import", "full.aeordb", "patch.aeordb", "-d", "other.aeordb", "--promote"]);
    assert_eq!(desk.head_of("other.aeordb"), desk.version("v2"));
    desk.run(&["import", "full.aeordb", "--file", "patch.aeordb", "-d", "x.aeordb"]).expect(2);
    desk.run(&["import", "-d", "x.aeordb"]).expect(2);

    desk.ok(&["promote", "v1", "-q"]);
    assert_eq!(desk.version("HEAD"), desk.version("v1"));
    desk.run(&["promote"]).expect(2);
}

#[test]
fn h_means_sizes_for_people_where_ls_and_du_have_it() {
    let desk = Desk::new();
    desk.write("tree/big", vec![7; 3000]);
    desk.ok(&["put", "tree", "/", "-q"]);
    for spelled in [&["du", "-sh"][..], &["du", "-sH"], &["du", "-s", "--human-readable"]] {
        assert_eq!(desk.ok(spelled), "2.9 KiB\t/\n", "{spelled:?}");
    }
    for spelled in [&["ls", "-lh"][..], &["ls", "-lH"]] {
        let listed = desk.ok(spelled);
        assert!(listed.contains("-rw-r--r--") && listed.contains("2.9 KiB"), "{listed}");
    }
    assert!(desk.ok(&["ls", "-l"]).contains(" 3000 "));
    for verb in ["ls", "du"] {
        assert!(desk.ok(&[verb, "--help"]).contains("--human-readable"));
    }
}

#[test]
fn a_version_where_a_path_belongs_is_told_how_to_look_into_it() {
    let desk = Desk::with_v1();
    for verb in ["ls", "cat", "stat", "du"] {
        desk.run(&[verb, "v1"]).refused(10, "/v1 in version", "VERSION:/");
    }
    desk.run(&["ls", "v2"]).refused(10, "/v2 in version", "aeordb ls -r");
}

#[test]
fn a_database_on_the_command_line_comes_before_a_server_in_the_environment() {
    let desk = Desk::with_v1();
    let run = |arguments: &[&str], server: &str| {
        let output = desk.command(arguments).env("AEORDB_SERVER", server).output().unwrap();
        Run::new(arguments, output)
    };
    // Nobody listens on port 1, and no key is set.
    let nowhere = "http://127.0.0.1:1";
    run(&["cat", "/top.txt", "-d", "data.aeordb"], nowhere).expect(0);
    run(&["cat", "/top.txt"], nowhere).expect(12);
    run(&["cat", "/top.txt"], "").expect(0);
    let both = ["cat", "/top.txt", "-d", "data.aeordb", "--server", nowhere];
    let refused = run(&both, "").expect(2);
    assert!(refused.err.contains("name one of them"), "{}", refused.err);
}

#[test]
fn every_shell_gets_its_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.ok(&["completions", shell]);
        assert!(script.contains("aeordb") && script.contains("promote"), "{shell}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let desk = Desk::new();
    let program = desk.ok(&["man"]);
    assert!(program.contains(".TH aeordb 1"), "{program}");
    for verb in ["put", "import", "gc"] {
        assert!(desk.ok(&["man", verb]).contains(&format!(".TH aeordb-{verb} 1")));
    }
    assert!(desk.ok(&["man", "snapshot", "create"]).contains(".TH aeordb-snapshot-create 1"));
    let title = program.lines().find(|line| line.starts_with(".TH")).unwrap();
    assert!(title.contains(" 2026-") && title.contains(env!("CARGO_PKG_VERSION")), "{title}");
    desk.run(&["man", "nothing"]).refused(2, "nothing", "aeordb man --help");
}

#[test]
fn verbose_says_how_long_it_took_beside_the_data() {
    let desk = Desk::with_v1();
    let run = desk.run(&["cat", "/top.txt", "-v"]).expect(0);
    assert_eq!(run.out(), "top\n");
    assert!(run.err.starts_with("aeordb: 0.") && run.err.ends_with(" s\n"), "{}", run.err);
}

#[test]
fn no_progress_is_drawn_where_nobody_looks() {
    let desk = Desk::with_v1();
    for verb in [&["put", "tree", "/"][..], &["verify", "--deep"], &["export", "--output", "e"]] {
        assert_eq!(desk.run(verb).expect(0).err, "", "{verb:?}");
    }
}
