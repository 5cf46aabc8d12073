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
