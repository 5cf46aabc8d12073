//! The grammar of patterns, and lists.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;

use super::{Listed, Patterns, PatternsBuilder};

fn lines(lines: &str) -> Patterns {
    let mut patterns = PatternsBuilder::default();
    patterns.lines(lines.as_bytes(), |_, error| Err(error)).unwrap();
    patterns.build().unwrap()
}

fn out(patterns: &Patterns, path: &str) -> bool {
    let (path, is_directory) = match path.strip_suffix('/') {
        Some(path) => (path, true),
        None => (path, false),
    };
    patterns.leaves_out(LocalPath::new(path), is_directory) == Some(true)
}

#[test]
fn patterns_are_what_git_takes_them_for() {
    for (text, matched, others) in [
        ("*.log", &["a.log", "x/y/a.log", ".log"][..], &["a.logs", "log"][..]),
        ("/top", &["top", "top/"], &["x/top"]),
        ("a/b", &["a/b"], &["x/a/b"]),
        ("build/", &["build/", "x/build/"], &["build", "x/build"]),
        ("**/cache/*.tmp", &["cache/a.tmp", "x/cache/a.tmp"], &["cache/x/a.tmp"]),
        ("doc/**/*.txt", &["doc/a.txt", "doc/x/y/a.txt"], &["a.txt"]),
        ("all/**", &["all/x"], &["all/"]),
        ("*.o\n!keep.o", &["a.o"], &["keep.o"]),
        ("# a comment\n\n\\#name", &["#name"], &["# a comment"]),
        ("end \nkept\\ ", &["end", "kept "], &["end ", "kept"]),
        ("windows\r\n", &["windows"], &["windows\r"]),
        ("{a,b}", &["{a,b}"], &["a", "b"]),
        ("[{}]x\\{", &["{x{", "}x{"], &["x{"]),
        ("[[:digit:]].c", &["1.c"], &["d.c", "[.c"]),
        ("[!a-c]x", &["dx"], &["ax", "/x"]),
        ("[a\\]]y", &["]y", "ay"], &["\\y"]),
        ("[a", &["[a"], &["a"]),
        ("a?c", &["abc"], &["a/c", "ac"]),
    ] {
        let patterns = lines(text);
        for path in matched {
            assert!(out(&patterns, path), "{text:?} leaves out {path:?}");
        }
        for path in others {
            assert!(!out(&patterns, path), "{text:?} does not leave out {path:?}");
        }
    }
}

#[test]
fn a_pattern_of_its_own_is_one_whatever_it_begins_and_ends_with() {
    let mut patterns = PatternsBuilder::default();
    for pattern in ["#*#", "end ", "tab\t", "*.log"] {
        patterns.exclude(pattern.as_bytes()).unwrap();
    }
    patterns.include(b"keep.log").unwrap();
    patterns.include(b"\\!.log").unwrap();
    let patterns = patterns.build().unwrap();
    for path in ["#a#", "end ", "tab\t", "a.log"] {
        assert!(out(&patterns, path), "{path:?}");
    }
    for path in ["end", "tab", "keep.log", "!.log"] {
        assert!(!out(&patterns, path), "{path:?}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_and_a_file_says_in_which_line() {
    let mut patterns = PatternsBuilder::default();
    for pattern in [&b""[..], b"/", b"[b-a]", b"caf\xe9", b"x\\"] {
        assert!(patterns.exclude(pattern).is_err(), "{}", String::from_utf8_lossy(pattern));
    }
    assert!(patterns.include(b"!x").is_err());
    let mut refused = Vec::new();
    let text = b"\xef\xbb\xbfone\n[b-a]\ncaf\xe9\nlast";
    let tell = |number, _| {
        refused.push(number);
        Ok(())
    };
    patterns.lines(text, tell).unwrap();
    assert_eq!(refused, [2, 3]);
    let patterns = patterns.build().unwrap();
    assert!(out(&patterns, "one") && out(&patterns, "last"));
}

#[test]
fn names_that_are_not_text_are_matched_by_their_bytes() {
    let patterns = lines("caf?.txt\n*.l?g");
    let out = |name: &[u8]| {
        patterns.leaves_out(LocalPath::new(OsStr::from_bytes(name)), false) == Some(true)
    };
    assert!(out(b"caf\xe9.txt") && out(b"\xff\xfe.log"));
    assert!(!out(b"caf\xe9.doc"));
}

#[test]
fn a_list_has_what_it_names_and_the_way_there() {
    let listed = Listed::new(["./a/b/c", "a/d/", "e//f", ""]).unwrap();
    assert!(listed.has(b"a") && listed.has(b"e") && !listed.has(b"b"));
    assert!(!listed.has_whole(b"a"));
    let a = listed.enter(b"a").unwrap();
    assert!(a.has(b"b") && a.has_whole(b"d") && !a.has_whole(b"b"));
    assert!(a.enter(b"d").is_none(), "everything in it");
    assert_eq!(listed.names().collect::<Vec<_>>(), [b"a", b"e"]);
    assert!(Listed::new(["."]).unwrap().unless_whole().is_none());
    assert!(Listed::new(["a", "a/b"]).unwrap().has_whole(b"a"));
    assert!(Listed::new(["a/../b"]).is_err());
}
