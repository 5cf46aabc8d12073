//! The chapter on the server: its console examples are run, in order, against a real server.

use std::process::{Command, Stdio};

use crate::sandbox::Sandbox;
use crate::server::Served;

const CHAPTER: &str = include_str!("../../../../docs/manual/server.md");

/// A command and the lines that it prints.
fn examples() -> Vec<(String, Vec<String>)> {
    let mut examples: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in CHAPTER.lines() {
        match line.strip_prefix("```") {
            Some(kind) => inside = kind == "shell-session",
            None if !inside => {}
            None => match line.strip_prefix("$ ") {
                Some(command) => examples.push((command.to_owned(), Vec::new())),
                None => examples.last_mut().unwrap().1.push(line.to_owned()),
            },
        }
    }
    examples
}

/// `[..]` stands for anything.
fn fits(expected: &str, found: &str) -> bool {
    let mut pieces = expected.split("[..]");
    let Some(mut rest) = found.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    for (number, piece) in pieces.iter().enumerate() {
        let at = match number + 1 == pieces.len() {
            true => rest.ends_with(piece).then(|| rest.len() - piece.len()),
            false => rest.find(piece),
        };
        let Some(at) = at else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

#[test]
fn the_examples_of_the_chapter_do_what_it_shows() {
    let sandbox = Sandbox::new();
    let served = Served::start(&sandbox, "");
    let examples = examples();
    assert!(examples.len() > 20, "{}", examples.len());
    for (command, expected) in examples {
        let typed = command.replace("http://localhost:3000", &served.url);
        let output = Command::new("bash")
            .args(["-c", &typed])
            .current_dir(sandbox.path(""))
            .env("API_KEY", &served.key)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}\n{printed}{errors}");
        let found: Vec<&str> = printed.lines().collect();
        let same = found.len() == expected.len()
            && expected.iter().zip(&found).all(|(expected, found)| fits(expected, found));
        assert!(same, "{command}\nexpected\n{}\nfound\n{printed}", expected.join("\n"));
    }
}
