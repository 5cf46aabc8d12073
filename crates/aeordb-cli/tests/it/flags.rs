//! Flags in every position, the environment, help, completions, manual pages.

use crate::sandbox::{Run, Sandbox};

#[test]
fn flags_stand_before_or_after_anything() {
    let sandbox = Sandbox::with_v1();
    let listed = sandbox.ok(&["ls", "/docs"]);
    for arguments in [
        &["--database", "data.aeordb", "ls", "/docs"][..],
        &["ls", "--database", "data.aeordb", "/docs"],
        &["ls", "/docs", "--database", "data.aeordb"],
        &["ls", "/docs", "--database=data.aeordb"],
        &["-d", "data.aeordb", "ls", "/docs", "--at", "v1"],
        &["ls", "--at", "v1", "/docs", "-d", "data.aeordb", "--no-progress"],
    ] {
        assert_eq!(sandbox.ok(arguments), listed, "{arguments:?}");
    }
    sandbox.ok(&["snapshot", "create", "s1", "--database", "data.aeordb"]);
    sandbox.ok(&["--database", "data.aeordb", "snapshot", "create", "s2"]);
    sandbox.ok(&["snapshot", "--database", "data.aeordb", "create", "s3"]);
    assert_eq!(sandbox.ok(&["snapshot", "list"]).lines().count(), 4);
    for (number, arguments) in [
        &["get", "-q", "/docs"][..],
        &["get", "/docs", "-q"],
        &["get", "/docs", "--exclude", "nothing", "--at", "v1"],
    ]
    .iter()
    .enumerate()
    {
        let out = format!("out{number}");
        sandbox.ok(&[*arguments, &[&out, "--no-progress"]].concat());
        assert!(sandbox.path(&out).is_dir(), "{arguments:?}");
    }
    let alone = sandbox.run(&["get", "/docs", "-q"]);
    assert!(alone.code == 2 && alone.err.contains("PATH... LOCAL"), "{alone:?}");
}

#[test]
fn the_environment_names_the_database_unless_a_flag_does() {
    let sandbox = Sandbox::with_v1();
    std::fs::rename(sandbox.path("data.aeordb"), sandbox.path("x.aeordb")).unwrap();
    let mut ls = sandbox.command(&["ls"]);
    let output = ls.env("AEORDB_DATABASE", "x.aeordb").output().unwrap();
    assert_eq!(output.stdout, b"docs\ntop.txt\n");
    let mut ls = sandbox.command(&["ls", "-d", "x.aeordb"]);
    let output = ls.env("AEORDB_DATABASE", "none.aeordb").output().unwrap();
    assert_eq!(output.stdout, b"docs\ntop.txt\n");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]);
    assert!(help.contains("Exit codes:") && help.contains("Usage: aeordb"), "{help}");
    assert!(sandbox.ok(&["--version"]).starts_with("aeordb "));
    let help = sandbox.ok(&["import", "--help"]);
    assert!(help.contains("--promote") && help.contains("Examples:"), "{help}");
    assert_eq!(
        sandbox.ok(&["help", "snapshot", "create"]),
        sandbox.ok(&["snapshot", "create", "--help"])
    );
}

#[test]
fn an_unknown_flag_is_explained_on_standard_error() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["import", "--promot"]).expect(2);
    assert!(run.err.contains("--promote") && run.out().is_empty(), "{}", run.err);
}

#[test]
fn versions_and_files_stand_beside_the_flags_that_name_them() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("tree/later", "later");
    sandbox.ok(&["put", "tree", "/", "-q"]);
    sandbox.ok(&["snapshot", "create", "v2", "-q"]);
    let listed = sandbox.ok(&["diff", "--from", "v1", "--to", "v2"]);
    assert!(!listed.is_empty());
    for spelled in [&["v1", "v2"][..], &["v1..v2"], &["v1"], &["v1.."]] {
        assert_eq!(sandbox.ok(&[&["diff"], spelled].concat()), listed, "{spelled:?}");
    }
    let back = sandbox.ok(&["diff", "--from", "HEAD", "--to", "v1"]);
    assert_eq!(sandbox.ok(&["diff", "..v1"]), back);
    sandbox.run(&["diff", "v1", "--from", "v1"]).expect(2);
    sandbox.run(&["diff"]).expect(2);

    sandbox.ok(&["export", "v1", "-o", "full.aeordb"]);
    sandbox.ok(&["export", "--snapshot", "v1", "-o", "same.aeordb"]);
    assert_eq!(sandbox.read("full.aeordb"), sandbox.read("same.aeordb"));
    sandbox.run(&["export", "v1", "--hash", "v2", "-o", "never.aeordb"]).expect(2);
    sandbox.ok(&["diff", "v1..v2", "-o", "patch.aeordb"]);
    sandbox.ok(&["verify", "full.aeordb", "--deep"]);
    sandbox.run(&["verify", "nothing.aeordb"]).expect(10);

    sandbox.ok(&["import", "full.aeordb", "patch.aeordb", "-d", "other.aeordb", "--promote"]);
    assert_eq!(sandbox.head_of("other.aeordb"), sandbox.version("v2"));
    sandbox.run(&["import", "full.aeordb", "--file", "patch.aeordb", "-d", "x.aeordb"]).expect(2);
    sandbox.run(&["import", "-d", "x.aeordb"]).expect(2);

    sandbox.ok(&["promote", "v1", "-q"]);
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v1"));
    sandbox.run(&["promote"]).expect(2);
}

#[test]
fn h_means_sizes_for_people_where_ls_and_du_have_it() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/big", vec![7; 3000]);
    sandbox.ok(&["put", "tree", "/", "-q"]);
    for spelled in [&["du", "-sh"][..], &["du", "-sH"], &["du", "-s", "--human-readable"]] {
        assert_eq!(sandbox.ok(spelled), "2.9 KiB\t/\n", "{spelled:?}");
    }
    for spelled in [&["ls", "-lh"][..], &["ls", "-lH"]] {
        let listed = sandbox.ok(spelled);
        assert!(listed.contains("-rw-r--r--") && listed.contains("2.9 KiB"), "{listed}");
    }
    assert!(sandbox.ok(&["ls", "-l"]).contains(" 3000 "));
    for verb in ["ls", "du"] {
        assert!(sandbox.ok(&[verb, "--help"]).contains("--human-readable"));
    }
}

#[test]
fn a_version_where_a_path_belongs_is_told_how_to_look_into_it() {
    let sandbox = Sandbox::with_v1();
    for verb in ["ls", "cat", "stat", "du"] {
        sandbox.run(&[verb, "v1"]).refused(10, "/v1 in version", "VERSION:/");
    }
    sandbox.run(&["ls", "v2"]).refused(10, "/v2 in version", "aeordb ls -r");
}

#[test]
fn a_database_on_the_command_line_comes_before_a_server_in_the_environment() {
    let sandbox = Sandbox::with_v1();
    let run = |arguments: &[&str], server: &str| {
        let output = sandbox.command(arguments).env("AEORDB_SERVER", server).output().unwrap();
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
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.ok(&["completions", shell]);
        assert!(script.contains("aeordb") && script.contains("COMPLETE"), "{shell}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let sandbox = Sandbox::new();
    let program = sandbox.ok(&["man"]);
    assert!(program.contains(".TH aeordb 1"), "{program}");
    for verb in ["put", "import", "gc"] {
        assert!(sandbox.ok(&["man", verb]).contains(&format!(".TH aeordb-{verb} 1")));
    }
    assert!(sandbox.ok(&["man", "snapshot", "create"]).contains(".TH aeordb-snapshot-create 1"));
    let title = program.lines().find(|line| line.starts_with(".TH")).unwrap();
    assert!(title.contains(" 2026-") && title.contains(env!("CARGO_PKG_VERSION")), "{title}");
    sandbox.run(&["man", "nothing"]).refused(2, "nothing", "aeordb man --help");
}

#[test]
fn the_pages_of_all_commands_go_into_a_directory() {
    let sandbox = Sandbox::new();
    sandbox.run(&["man", "--directory", "pages"]).refused(10, "pages/aeordb.1", "");
    std::fs::create_dir(sandbox.path("pages")).unwrap();
    assert_eq!(sandbox.ok(&["man", "--directory", "pages"]), "");
    for (page, words) in [
        ("aeordb.1", &["man"][..]),
        ("aeordb-put.1", &["man", "put"]),
        ("aeordb-snapshot-create.1", &["man", "snapshot", "create"]),
    ] {
        assert_eq!(
            String::from_utf8(sandbox.read(&format!("pages/{page}"))).unwrap(),
            sandbox.ok(words)
        );
    }
    assert!(!sandbox.exists("pages/aeordb-help.1"));
}

#[test]
fn manual_pages_have_the_day_that_the_changelog_has_for_this_version() {
    let changes = include_str!("../../../../CHANGELOG.md");
    let heading = format!("## {} - ", env!("CARGO_PKG_VERSION"));
    let day = changes.lines().find_map(|line| line.strip_prefix(&heading)).unwrap();
    let page = Sandbox::new().ok(&["man"]);
    let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
    assert!(title.contains(day), "{title} is not of {day}");
}

#[test]
fn verbose_says_how_long_it_took_beside_the_data() {
    let sandbox = Sandbox::with_v1();
    let run = sandbox.run(&["cat", "/top.txt", "-v"]).expect(0);
    assert_eq!(run.out(), "top\n");
    assert!(run.err.starts_with("aeordb: 0.") && run.err.ends_with(" s\n"), "{}", run.err);
}

#[test]
fn no_progress_is_drawn_where_nobody_looks() {
    let sandbox = Sandbox::with_v1();
    for verb in [&["put", "tree", "/"][..], &["verify", "--deep"], &["export", "--output", "e"]] {
        assert_eq!(sandbox.run(verb).expect(0).err, "", "{verb:?}");
    }
}
