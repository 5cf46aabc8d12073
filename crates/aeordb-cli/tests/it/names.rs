//! Names that are not text, not tidy, or look like something else.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::sandbox::Sandbox;
use crate::trees;

const NAMES: [&[u8]; 9] = [
    b"\xff\xfe not utf-8",
    b"caf\xe9 latin",
    b"line\nbreak",
    b"tab\there",
    b"\x1b[31mred",
    b"-starts-with-a-dash",
    b" space ",
    b"v1:looks-like-a-version",
    "grüße 世界".as_bytes(),
];

fn with_names() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in NAMES {
        let path = OsStr::from_bytes(b"tree").to_owned();
        let path = [path.as_bytes(), b"/", name].concat();
        sandbox.write(OsStr::from_bytes(&path), name);
    }
    sandbox.ok(&["put", "tree", "/n"]);
    sandbox
}

fn at(name: &[u8]) -> OsString {
    OsStr::from_bytes(&[b"/n/", name].concat()).to_owned()
}

#[test]
fn any_name_goes_in_and_comes_out() {
    let sandbox = with_names();
    sandbox.ok(&["get", "/n", "out"]);
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("out"));
    sandbox.ok(&["export", "--output", "e.aeordb"]);
    sandbox.ok(&["import", "-d", "i.aeordb", "--file", "e.aeordb", "--promote"]);
    sandbox.ok(&["get", "/n", "again", "-d", "i.aeordb"]);
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("again"));
}

#[test]
fn any_name_can_be_given_as_an_argument() {
    let sandbox = with_names();
    for name in NAMES {
        let path = at(name);
        let run = sandbox.run(&[OsStr::new("cat"), &path]).expect(0);
        assert_eq!(run.bytes, name);
        sandbox.run(&[OsStr::new("stat"), &path]).expect(0);
    }
    for name in NAMES {
        sandbox.run(&[OsStr::new("rm"), &at(name)]).expect(0);
    }
    assert_eq!(sandbox.ok(&["ls", "/n"]), "");
}

#[test]
fn every_line_of_a_listing_is_one_name() {
    let sandbox = with_names();
    let lines = sandbox.run(&["ls", "/n"]).expect(0).bytes;
    let mut lines: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.pop(), Some(&b""[..]));
    assert_eq!(lines.len(), NAMES.len());
    assert!(lines.contains(&&b"\"line\\nbreak\""[..]) && lines.contains(&&b"caf\xe9 latin"[..]));
    for listing in [&["ls", "-r", "/n"][..], &["du", "-a", "/n"], &["rm", "-r", "--dry-run", "/n"]]
    {
        let listed = sandbox.run(listing).expect(0).bytes;
        assert!(!listed.contains(&b'\x1b'), "{listing:?}");
        // What is below the directory, and itself but for `ls`.
        let lines = listed.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines, NAMES.len() + usize::from(listing[0] != "ls"), "{listing:?}");
    }
}

#[test]
fn a_program_gets_names_as_they_are_up_to_a_nul_byte() {
    let sandbox = with_names();
    let mut sorted = NAMES;
    sorted.sort();
    let expected = sorted.map(|name| [name, b"\0"].concat()).concat();
    assert_eq!(sandbox.run(&["ls", "-z", "/n"]).expect(0).bytes, expected);
    let deleted = sorted.map(|name| [b"D /n/", name, b"\0"].concat()).concat();
    let listed = sandbox.run(&["rm", "-r", "--dry-run", "--null", "/n"]).expect(0).bytes;
    assert_eq!(listed, [&deleted[..], b"D /n\0"].concat());
    sandbox.ok(&["mv", "/n/line\nbreak", "/n/tab\tagain"]);
    let moved = sandbox.run(&["diff", "HEAD~1", "-z"]).expect(0).bytes;
    assert_eq!(moved, b"R /n/line\nbreak\0/n/tab\tagain\0");
    let moved = sandbox.ok(&["diff", "HEAD~1"]);
    assert_eq!(moved, "R \"/n/line\\nbreak\"\t\"/n/tab\\tagain\"\n");
    sandbox.run(&["ls", "-z", "--json", "/n"]).expect(2);
}

#[test]
fn json_has_names_that_are_not_text_in_base64_too() {
    let sandbox = with_names();
    let listed = sandbox.json_lines(&["ls", "/n"]);
    assert_eq!(listed.len(), NAMES.len());
    for item in &listed {
        let text = item["path"].as_str().unwrap();
        let Some(encoded) = item.get("path_b64") else {
            assert!(!text.contains('\u{fffd}'), "{item}");
            continue;
        };
        let bytes = data_encoding::BASE64.decode(encoded.as_str().unwrap().as_bytes()).unwrap();
        assert!(NAMES.iter().any(|name| bytes.ends_with(name)), "{item}");
    }
    assert_eq!(listed.iter().filter(|item| item.get("path_b64").is_some()).count(), 2);
}

#[test]
fn an_error_does_not_carry_what_commands_a_terminal() {
    let sandbox = with_names();
    let run = sandbox.run(&["cat", "/n/\x1b[2J"]).expect(10);
    assert!(!run.err.contains('\x1b'), "{:?}", run.err);
}

#[test]
fn a_local_name_that_starts_with_a_dash_stands_behind_two() {
    let sandbox = Sandbox::new();
    sandbox.write("-x", "dash\n");
    sandbox.ok(&["put", "-q", "--", "-x", "/-y"]);
    assert_eq!(sandbox.ok(&["cat", "--", "/-y"]), "dash\n");
}

#[test]
fn a_database_may_be_called_anything() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/a", "a");
    let name = OsStr::from_bytes(b"d\xff ata");
    let put = ["put", "tree", "/", "-d"].map(OsStr::new);
    sandbox.run(&[&put[..], &[name]].concat()).expect(0);
    assert!(fs::metadata(sandbox.path(name)).is_ok());
    let ls = ["ls", "-d"].map(OsStr::new);
    assert_eq!(sandbox.run(&[&ls[..], &[name]].concat()).expect(0).out(), "a\n");
}
