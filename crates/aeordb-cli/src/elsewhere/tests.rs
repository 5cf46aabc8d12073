use clap::CommandFactory;

use super::*;
use crate::args::Cli;

fn refusal(line: &str) -> String {
    let mut error = Cli::command().try_get_matches_from(line.split(' ')).unwrap_err();
    explain(&mut error);
    error.to_string()
}

#[test]
fn verbs_of_other_tools_are_answered_with_the_command_that_does_it() {
    for (line, command) in [
        ("aeordb restore latest", "aeordb get"),
        ("aeordb backup /home", "aeordb put"),
        ("aeordb mount /mnt", "aeordb serve"),
        ("aeordb fsck", "aeordb verify"),
        ("aeordb prune --keep-last 3", "aeordb gc"),
        ("aeordb Snapshots", "aeordb snapshot list"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains("here that is") && refusal.contains(command), "{refusal}");
        assert!(!refusal.contains("similar"), "{refusal}");
    }
}

#[test]
fn a_slip_of_a_verb_of_ours_is_still_guessed() {
    assert!(refusal("aeordb exprot").contains("'export'"));
}

#[test]
fn a_flag_that_is_not_there_is_not_called_a_value() {
    let refusal = refusal("aeordb put tree / --excldue x");
    assert!(refusal.contains("--excldue") && !refusal.contains("-- --"), "{refusal}");
}

#[test]
fn what_is_a_verb_here_is_in_no_other_place_of_the_list() {
    let ours: Vec<_> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for (names, here) in VERBS {
        for name in *names {
            assert!(!ours.iter().any(|own| own == name), "{name} is a verb of ours");
            assert!(seen.insert(*name), "{name} stands twice");
        }
        // What is told exists.
        for command in here.split("`aeordb ").skip(1) {
            let verb: String = command.chars().take_while(|c| c.is_ascii_lowercase()).collect();
            assert!(ours.contains(&verb), "{verb} in: {here}");
        }
    }
}
