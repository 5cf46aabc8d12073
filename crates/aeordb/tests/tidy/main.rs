//! Style as a test: what CONTRIBUTING.md asks of files, held against every file of the project.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod breaches;
mod circles;
mod exceptions;
mod rules;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rules::Source;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All files below a directory, by name.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for directory in ["crates", "proof", "benches"] {
        files(&root.join(directory), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    // It is a list of names.
    found.retain(|path| !path.ends_with("tidy/exceptions.rs"));
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| Source::new(name(path), fs::read_to_string(path).unwrap())).collect()
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn lines_files_and_functions_are_as_short_as_they_are_to_be() {
    let sources = sources();
    assert!(sources.len() > 300);
    let (lines, files) = (rules::long_lines(&sources), rules::long_files(&sources));
    let functions = rules::long_functions(&sources);
    let mut breaches = rules::held_against("line", &lines, exceptions::LINES);
    breaches.extend(rules::held_against("file", &files, exceptions::FILES));
    breaches.extend(rules::held_against("function", &functions, exceptions::FUNCTIONS));
    none(breaches);
}

#[test]
fn no_two_types_of_a_crate_have_one_name() {
    let found = rules::repeated_types(&sources());
    none(rules::held_against_names("type", &found, exceptions::TYPES));
}

#[test]
fn no_module_uses_one_that_stands_below_it_in_the_table_of_the_architecture() {
    let floors = rules::floors(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    assert!(floors["hash"] < floors["db"] && floors["db"] < floors["backup"]);
    let mut sources = sources();
    sources.retain(|source| source.path.starts_with("crates/aeordb/src/"));
    let found = rules::arrows_up(&floors, &sources);
    none(rules::held_against_names("arrow", &found, exceptions::ARROWS));
}

#[test]
fn the_service_of_the_server_knows_nothing_of_http() {
    let service = rules::Room {
        path: "crates/aeordb-server/src/service/",
        strangers: &["axum", "http", "http_body", "http_body_util", "hyper", "hyper_util"],
        below: &["keys", "log"],
    };
    let sources = sources();
    assert!(sources.iter().any(|source| source.path.starts_with(service.path)));
    none(rules::leaks(&service, &sources).into_iter().collect());
}

#[test]
fn files_use_each_other_in_no_more_circles_than_they_did() {
    let mut sources = sources();
    sources.retain(|source| source.path.starts_with("crates/aeordb/src/"));
    let found = circles::circles(&sources);
    none(rules::held_against_names("circle", &found, exceptions::CIRCLES));
}

#[test]
fn no_file_of_tests_is_forgotten() {
    let mut forgotten = Vec::new();
    for package in fs::read_dir(root().join("crates")).unwrap() {
        for tests in ["it", "tidy"] {
            let directory = package.as_ref().unwrap().path().join("tests").join(tests);
            let Ok(main) = fs::read_to_string(directory.join("main.rs")) else { continue };
            let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
            let names: Vec<String> = entries
                .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"))
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            let of_main = rules::forgotten(&main, names.iter().map(String::as_str));
            forgotten.extend(of_main.iter().map(|name| format!("{}/{name}", directory.display())));
        }
    }
    none(forgotten);
}

#[test]
fn every_script_can_be_run() {
    let mut found = Vec::new();
    for directory in [".ci", "findings", "fuzz", "dist", "proof", "benches"] {
        files(&root().join(directory), &mut found);
    }
    found.push(root().join("quickstart.sh"));
    let is_stuck = |path: &&PathBuf| {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        rules::is_stuck(&fs::read(path).unwrap(), mode)
    };
    let stuck: Vec<String> =
        found.iter().filter(is_stuck).map(|path| path.display().to_string()).collect();
    none(stuck);
}
