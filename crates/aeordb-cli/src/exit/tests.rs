use std::io;

use aeordb::hash::{Hash, VersionId};

use super::*;

fn id(byte: u8) -> VersionId {
    VersionId(Hash::new([byte; 32]))
}

fn io(kind: ErrorKind) -> Error {
    Error::Io { what: "cannot do it".into(), source: kind.into() }
}

fn broken_chain() -> aeordb::error::BrokenChain {
    aeordb::error::BrokenChain {
        file: "p2".into(),
        base: id(1),
        after: "p1".into(),
        found: id(2),
        misplaced: Some("p3".into()),
    }
}

/// One error of every kind, with its exit code.
pub fn all() -> Vec<(Error, u8)> {
    vec![
        (io(ErrorKind::PermissionDenied), 1),
        (io(ErrorKind::StorageFull), 1),
        (io(ErrorKind::NotFound), 10),
        (io(ErrorKind::BrokenPipe), 1),
        (
            Error::Io {
                what: "cannot write to standard output".into(),
                source: std::io::Error::new(ErrorKind::BrokenPipe, ClosedOutput),
            },
            141,
        ),
        (Error::invalid("bad"), 2),
        (Error::not_found("/x"), 10),
        (Error::Locked { path: "d".into(), holder: "process 7".into() }, 11),
        (Error::BaseMismatch { head: id(1), base: id(2), target: id(3) }, 13),
        (Error::HeadMoved { head: id(1), expected: id(2) }, 13),
        (Error::damaged("d", 7, "bad checksum"), 14),
        (Error::Exists("o".into()), 15),
        (Error::Held("v1".into()), 1),
        (Error::Incomplete { version: id(1), missing: 2, supplier: Some(id(2)) }, 16),
        (Error::Incomplete { version: id(1), missing: 2, supplier: None }, 16),
        (Error::newer("d", "frames of kind 12"), 20),
        (Error::Foreign { what: "f".into(), detail: "is a text".into() }, 1),
        (Error::ReadOnly { what: "d".into(), why: "it is an export".into() }, 1),
        (Error::Limit { what: "the name".into(), limit: 255, found: 256 }, 1),
        (Error::Collected(Hash::ZERO), 1),
        (Error::Interrupted, 130),
        (Error::Busy("many write".into()), 1),
        (broken_chain().into(), 13),
        (Error::Changed { what: "/x".into(), detail: "it is a directory".into() }, 13),
        (Error::EmptySource { name: "d".into(), path: "/".into(), files: 3 }, 17),
        (Error::TooManyDeletions { path: "/".into(), deleted: 9, files: 12, allowed: 6 }, 17),
    ]
}

const SUBJECTS: [Subject; 8] = [
    Subject::Nothing,
    Subject::Database,
    Subject::Version,
    Subject::Snapshot,
    Subject::Path,
    Subject::Local,
    Subject::Backup,
    Subject::Output,
];

fn scene(verb: &str, sealed: bool) -> Scene<'_> {
    Scene { verb, database: "my data", sealed, server: None }
}

#[test]
fn every_error_has_the_exit_code_that_the_help_names() {
    for (error, expected) in all() {
        assert_eq!(code(&error), expected, "{error:?}");
        assert!(
            crate::help::PROGRAM.contains(&format!("\n  {expected:>3}  ")),
            "the help does not say what {expected} means"
        );
    }
}

#[test]
fn every_error_names_what_helps_whatever_it_is_about() {
    for (error, code) in all().into_iter().filter(|(_, code)| *code != PIPE) {
        for subject in SUBJECTS {
            for sealed in [false, true] {
                let hint = hint(&error, subject, &scene("put", sealed));
                assert!(hint.is_some(), "{code} {subject:?}: {error:?}");
            }
        }
    }
}

#[test]
fn hints_name_the_command_for_the_situation() {
    let about =
        |error: &Error, subject, verb, sealed| hint(error, subject, &scene(verb, sealed)).unwrap();
    let sealed = Error::ReadOnly { what: "b".into(), why: "it is an export".into() };
    assert_eq!(
        about(&sealed, Subject::Database, "put", true),
        "`aeordb import --database NEW.aeordb --file 'my data' --promote` makes a database of it"
    );
    assert!(about(&sealed, Subject::Database, "put", false).contains("aeordb verify"));
    let exists = Error::Exists("x".into());
    assert!(about(&exists, Subject::Local, "get", false).contains("--force"));
    assert!(!about(&exists, Subject::Path, "put", false).contains("--force"));
    assert!(about(&exists, Subject::Snapshot, "snapshot create", false).contains("delete"));
    let bad = Error::invalid("bad");
    assert!(about(&bad, Subject::Nothing, "snapshot list", false).contains("snapshot list --help"));
}

#[test]
fn an_error_of_ours_is_found_inside_one_of_the_system() {
    let inner = Error::damaged("d", 7, "bad checksum");
    let outer = Error::Io { what: "cannot read /x".into(), source: io::Error::other(inner) };
    assert_eq!(code(&unwrapped(outer)), DAMAGED);
    assert_eq!(code(&unwrapped(io(ErrorKind::NotFound))), 10);
}

#[test]
fn hints_of_a_server_name_no_local_database() {
    for (error, code) in all().into_iter().filter(|(_, code)| *code != PIPE) {
        for subject in SUBJECTS {
            for verb in ["put", "ls", "verify", "info", "gc"] {
                let scene = Scene { server: Some("http://db:3000"), ..scene(verb, false) };
                let hint = hint(&error, subject, &scene).unwrap();
                let local = matches!(subject, Subject::Backup | Subject::Local | Subject::Output);
                assert!(
                    !hint.contains("my data") || local && matches!(error, Error::Damaged { .. }),
                    "{code} {subject:?}: {error:?}: {hint}"
                );
            }
        }
    }
}
