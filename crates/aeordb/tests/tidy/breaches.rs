//! Every rule finds what breaks it, and nothing else.

use std::collections::BTreeSet;

use crate::circles::circles;
use crate::rules::*;

fn source(path: &str, text: &str) -> Vec<Source> {
    vec![Source::new(path, text)]
}

#[test]
fn a_line_a_file_and_a_function_that_are_too_long_are_found() {
    let line = |len| source("a/src/b.rs", &"x".repeat(len));
    assert!(long_lines(&line(LINE_MAX)).is_empty());
    assert_eq!(long_lines(&line(LINE_MAX + 1))["a/src/b.rs"], LINE_MAX + 1);
    let file = |len| source("a/src/b.rs", &"x\n".repeat(len));
    assert!(long_files(&file(FILE_MAX)).is_empty());
    assert_eq!(long_files(&file(FILE_MAX + 1))["a/src/b.rs"], FILE_MAX + 1);
    let function = |len: usize| {
        let body = "        x;\n".repeat(len - 2);
        let text = format!(
            "trait T {{\n    fn one();\n\n    pub(crate) async fn two() {{\n{body}    }}\n}}\n"
        );
        source("a/src/b.rs", &text)
    };
    assert!(long_functions(&function(FUNCTION_MAX)).is_empty());
    let found = long_functions(&function(FUNCTION_MAX + 1));
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("a/src/b.rs two".into(), FUNCTION_MAX + 1)]
    );
}

#[test]
fn a_name_of_two_types_is_found_within_a_crate_and_outside_of_tests() {
    let files = |second: &str, text: &str| {
        let first = "pub struct Found {\n}\nmod tests {\nstruct Other;\n}\n";
        vec![Source::new("a/src/b.rs", first), Source::new(second, text)]
    };
    let repeated = |second, text| repeated_types(&files(second, text)).len();
    assert_eq!(repeated("a/src/c.rs", "pub(crate) enum Found {\n"), 1);
    assert_eq!(repeated("a/src/c.rs", "pub(super) type Found<T> = T;\n"), 1);
    assert_eq!(repeated("a/src/c.rs", "pub struct Other;\n"), 0);
    assert_eq!(repeated("a/src/c.rs", "pub struct Founder;\n"), 0);
    assert_eq!(repeated("a/src/c.rs", "struct Found;\n"), 0);
    assert_eq!(repeated("a/src/c/tests.rs", "pub struct Found;\n"), 0);
    assert_eq!(repeated("z/src/c.rs", "pub struct Found;\n"), 0);
}

#[test]
fn an_arrow_up_the_table_is_found() {
    let document =
        "text\n| module | what |\n|---|---|\n| `low` `lower` | `x` |\n| `high` | |\n\n| `no` |\n";
    let floors = floors(document);
    assert_eq!(floors.len(), 3);
    let arrows = |path: &str, text: &str| arrows_up(&floors, &source(path, text)).len();
    assert_eq!(arrows("a/src/low/x.rs", "use crate::high::Thing;\n"), 1);
    assert_eq!(arrows("a/src/low.rs", "use crate::{error::Result, high::Thing};\n"), 1);
    assert_eq!(arrows("a/src/low.rs", "    let x = crate::high::call();\n"), 1);
    assert_eq!(arrows("a/src/low.rs", "// crate::high\nuse crate::lower::X;\n"), 0);
    assert_eq!(arrows("a/src/high.rs", "use crate::low::Thing;\n"), 0);
    assert_eq!(arrows("a/src/low/tests.rs", "use crate::high::Thing;\n"), 0);
}

#[test]
fn what_a_room_may_not_name_is_found() {
    let room = Room { path: "a/src/room/", strangers: &["http"], below: &["low"] };
    let leaks = |path: &str, text: &str| leaks(&room, &source(path, text)).len();
    assert_eq!(leaks("a/src/room/x.rs", "use http::HeaderMap;\n"), 1);
    assert_eq!(leaks("a/src/room/x.rs", "    let x: &http::Uri = crate::high::uri();\n"), 2);
    assert_eq!(leaks("a/src/room/x.rs", "use crate::low::X;\nuse crate::room::y::Y;\n"), 0);
    assert_eq!(leaks("a/src/room/x.rs", "//! As http has it.\nuse httpdate::X;\n"), 0);
    assert_eq!(leaks("a/src/room/tests.rs", "use http::HeaderMap;\n"), 0);
    assert_eq!(leaks("a/src/other.rs", "use http::HeaderMap;\n"), 0);
}

#[test]
fn a_circle_of_files_is_found_once() {
    let files = |last: &str| {
        vec![
            Source::new("a/src/x/mod.rs", "mod one;\n"),
            Source::new("a/src/x/one.rs", "use crate::y::Two;\n"),
            Source::new("a/src/y.rs", last),
        ]
    };
    assert_eq!(circles(&files("use crate::z::X;\n")), BTreeSet::new());
    let found = circles(&files("use crate::x::one::One;\n"));
    assert_eq!(found, BTreeSet::from(["x/one.rs y.rs".to_owned()]));
}

#[test]
fn a_forgotten_test_and_a_script_that_cannot_be_run_are_found() {
    assert_eq!(forgotten("mod a;\n// mod b;\n", ["main", "a", "b"]), ["b"]);
    assert!(is_stuck(b"#!/bin/sh\n", 0o644) && is_stuck(b"#!/bin/sh\n", 0o744));
    assert!(!is_stuck(b"#!/bin/sh\n", 0o755) && !is_stuck(b"text", 0o644));
}

#[test]
fn exceptions_may_only_shrink() {
    let found = Sizes::from([("a".to_owned(), 70)]);
    assert!(held_against("x", &found, &[("a", 70)]).is_empty());
    assert_eq!(held_against("x", &found, &[]), ["x: a has 70"]);
    assert_eq!(held_against("x", &found, &[("a", 69)]), ["x: a grew from 69 to 70"]);
    let spare = held_against("x", &found, &[("a", 70), ("b", 80)]);
    assert_eq!(spare, ["x: b needs its exception no more"]);
}
