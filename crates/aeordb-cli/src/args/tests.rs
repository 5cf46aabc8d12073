use clap::CommandFactory;

use super::*;

fn understand(line: &str) -> Result<Cli, clap::Error> {
    Cli::understand(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
}

fn parse(line: &str) -> Cli {
    understand(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refuse(line: &str) -> String {
    understand(line).unwrap_err().to_string()
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_may_stand_anywhere() {
    for line in [
        "aeordb --database d --json snapshot create v1",
        "aeordb snapshot --database d create v1 --json",
        "aeordb snapshot create --json --database d v1",
        "aeordb snapshot create v1 --database d --json",
        "aeordb --json snapshot create v1 -d d",
    ] {
        let cli = parse(line);
        assert_eq!(cli.global.database, PathBuf::from("d"), "{line}");
        assert!(cli.global.json, "{line}");
        assert!(matches!(cli.verb, Verb::Snapshot(Snapshot::Create { .. })), "{line}");
    }
}

#[test]
fn a_database_and_a_server_are_not_both_meant() {
    for line in [
        "aeordb ls / --database d --server http://h",
        "aeordb --server http://h snapshot list -d d",
        "aeordb snapshot -d d list --server http://h",
    ] {
        assert!(refuse(line).contains("name one of them"), "{line}");
    }
    assert_eq!(parse("aeordb snapshot list --server http://h").global.server.unwrap(), "http://h");
}

#[test]
fn flags_may_stand_after_what_a_verb_takes() {
    let Verb::Put(put) = parse("aeordb put a b /to --mirror --content-type text/plain -q").verb
    else {
        panic!("not put");
    };
    assert_eq!(put.words, ["a", "b", "/to"]);
    assert!(put.mirror && put.content_type.as_deref() == Some("text/plain"));

    let Verb::Ls(ls) = parse("aeordb ls /docs -rl --at v1").verb else { panic!("not ls") };
    assert!(ls.recursive && ls.long && ls.at.at.as_deref() == Some("v1"));

    let Verb::Rm(rm) = parse("aeordb rm /a -r /b --dry-run /c").verb else { panic!("not rm") };
    assert_eq!(rm.paths, ["/a", "/b", "/c"]);
    assert!(rm.recursive && rm.dry_run);
}

#[test]
fn the_manuals_command_lines_are_understood() {
    for line in [
        "aeordb export --database data.aeordb --output backup.aeordb",
        "aeordb export --database data.aeordb --output backup.aeordb --snapshot v1",
        "aeordb export --database data.aeordb --output backup.aeordb --hash abc123def456",
        "aeordb diff --database data.aeordb --output patch.aeordb --from v1 --to v2",
        "aeordb diff --database data.aeordb --output patch.aeordb --from v1",
        "aeordb import --database data.aeordb --file backup.aeordb",
        "aeordb import --database data.aeordb --file backup.aeordb --promote",
        "aeordb import --database data.aeordb --file patch.aeordb --force",
        "aeordb promote --database data.aeordb --hash abc123def456",
    ] {
        parse(line);
    }
}

#[test]
fn files_to_import_keep_their_order_however_they_are_given() {
    for line in [
        "aeordb import --file full --file p1 --file - --promote",
        "aeordb import --file full p1 - --promote",
        "aeordb import --file=full --promote --file p1 -",
    ] {
        let Verb::Import(import) = parse(line).verb else { panic!("not import") };
        assert_eq!(import.file, ["full", "p1", "-"].map(PathBuf::from), "{line}");
        assert!(import.promote, "{line}");
    }
}

#[test]
fn a_lone_dash_is_a_value() {
    let Verb::Put(put) = parse("aeordb put - /x").verb else { panic!("not put") };
    assert_eq!(put.words, ["-", "/x"]);
    let Verb::Export(export) = parse("aeordb export --output -").verb else { panic!("not export") };
    assert_eq!(export.output, PathBuf::from("-"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert!(refuse("aeordb put onlyone").contains("<PATH>"));
    assert!(refuse("aeordb export").contains("--output"));
    assert!(refuse("aeordb diff --to v2").contains("--from"));
    assert!(refuse("aeordb import --promote").contains("FILE"));
    assert!(refuse("aeordb export --output o --snapshot v1 --hash abc").contains("cannot be used"));
    assert!(refuse("aeordb snapshot create v1 --meta novalue").contains("KEY=VALUE"));
    assert!(refuse("aeordb ls -q -v").contains("cannot be used"));
}

#[test]
fn metadata_keeps_what_follows_its_first_equals_sign() {
    assert_eq!(key_value("a=b=c").unwrap(), ("a".into(), "b=c".into()));
    assert_eq!(key_value("a=").unwrap(), ("a".into(), String::new()));
    assert!(key_value("=b").is_err());
}

#[test]
fn every_verb_teaches_by_example() {
    fn look(command: &clap::Command) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n"), "{} has no examples", verb.get_name());
            assert!(verb.get_about().is_some(), "{} says nothing", verb.get_name());
            look(verb);
        }
    }
    look(&Cli::command());
}

#[test]
fn the_examples_of_the_help_are_understood() {
    fn texts(command: &clap::Command, all: &mut Vec<String>) {
        all.extend(command.get_after_help().map(ToString::to_string));
        command.get_subcommands().for_each(|verb| texts(verb, all));
    }
    let mut all = Vec::new();
    texts(&Cli::command(), &mut all);
    let mut examples = 0;
    for line in all.iter().flat_map(|text| text.lines()) {
        // Three spaces separate an example from what it says; pipes and redirections end it.
        let Some(example) = line.strip_prefix("  aeordb ") else { continue };
        let command = example.split("   ").next().unwrap().replace('\'', "");
        let command = command.split([';', '|', '>', '&']).next().unwrap();
        parse(&format!("aeordb {command}").replace("=schema 12", "=schema"));
        examples += 1;
    }
    assert!(examples > 40, "only {examples} examples were found");
}
