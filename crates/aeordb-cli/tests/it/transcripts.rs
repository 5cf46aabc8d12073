//! The documents are true: every `console` block of the README and of the manual is typed into a
//! shell, one shell and one empty directory for each document, and must print what stands there.
//!
//! - `$ ` starts a command, `> ` goes on with it; what follows is its output, of both streams.
//! - `…` stands for the rest of a word or line, a line of it alone for any number of lines.
//! - `<!-- needs a b -->` names programs that a document needs: where one is missing, it is not run, and
//!   that is said.
//! - In the README hashes are compared: a reader gets the same.
//! - A command that fails must be followed by `$ echo $?`.
//! - A block in a comment (`<!-- console` to `-->`) runs as well, unseen by the reader.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test -p aeordb-cli transcripts` writes what was printed into the
//! documents, with hashes cut short; read the difference before it is kept.

mod document;
mod shell;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use document::{Document, Hashes, matches};
use shell::Shell;

#[test]
fn every_transcript_of_the_documents_is_true() {
    let documents = documents();
    assert!(documents.iter().any(|path| path.ends_with("README.md")));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = documents.iter().map(|path| scope.spawn(|| check(path))).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The README and every chapter of the manual.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let chapters = fs::read_dir(root.join("docs/manual")).unwrap();
    let mut found: Vec<PathBuf> = chapters.map(|entry| entry.unwrap().path()).collect();
    // The chapter on the server needs one: `server_manual` runs it.
    found.retain(|path| {
        path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("server.md")
    });
    found.push(root.join("README.md"));
    found.sort();
    found
}

/// The programs that a document needs and that are not here.
fn missing(text: &str) -> Vec<&str> {
    let needs =
        text.lines().find_map(|line| line.strip_prefix("<!-- needs ")?.strip_suffix(" -->"));
    let path = std::env::var_os("PATH").unwrap();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let is_there = |name: &&str| folders.iter().any(|folder| folder.join(name).is_file());
    needs.unwrap_or_default().split_whitespace().filter(|name| !is_there(name)).collect()
}

/// Runs a document; says what of it is not true.
fn check(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let missing = missing(&text);
    if !missing.is_empty() {
        let (missing, path) = (missing.join(", "), path.display());
        // Past what holds back the output of a test that passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {path} without {missing}");
        return Vec::new();
    }
    let mut document = Document::parse(&text);
    let hashes = match path.ends_with("README.md") && !path.ends_with("manual/README.md") {
        true => Hashes::Same,
        false => Hashes::Any,
    };
    let mut shell = Shell::start();
    let mut wrong = Vec::new();
    let mut failed: Option<(usize, String, String)> = None;
    for step in document.steps_mut() {
        let (code, printed) = shell.run(&step.command);
        if let Some((line, command, printed)) = failed.take()
            && step.command != "echo $?"
        {
            wrong.push(told(path, line, &command, "it failed, and nobody asks why", &printed));
        }
        if code != 0 {
            failed = Some((step.line, step.command.clone(), printed.clone()));
        }
        if !matches(&step.expected, &printed, hashes) {
            let expected = step.expected.join("\n");
            wrong.push(told(path, step.line, &step.command, &expected, &printed));
            step.print(&printed);
        }
    }
    if let Some((line, command, printed)) = failed {
        wrong.push(told(path, line, &command, "it failed, and nobody asks why", &printed));
    }
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(path, document.text()).unwrap();
    }
    wrong
}

fn told(path: &Path, line: usize, command: &str, expected: &str, printed: &str) -> String {
    let name = path.file_name().unwrap().display();
    format!("{name}:{line}\n$ {command}\n--- stands there\n{expected}\n--- was printed\n{printed}")
}
