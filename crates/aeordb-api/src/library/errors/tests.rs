use aeordb::hash::VersionId;

use super::*;

fn id(byte: u8) -> VersionId {
    VersionId(Hash::new([byte; 32]))
}

/// One error of every kind, with every member in every form that it may have.
fn all() -> Vec<Error> {
    let io = |source| Error::Io { what: "reading /x".into(), source };
    let chain = |misplaced: Option<&str>| BrokenChain {
        file: "p2".into(),
        base: id(1),
        after: "p1".into(),
        found: id(2),
        misplaced: misplaced.map(Into::into),
    };
    let mut all = vec![
        Error::not_found("/x"),
        Error::invalid("bad"),
        Error::Exists("o".into()),
        Error::Held("v1".into()),
        Error::EmptySource { name: "d".into(), path: "/".into(), files: 3 },
        Error::TooManyDeletions { path: "/".into(), deleted: 9, files: 12, allowed: 6 },
        Error::Locked { path: "d".into(), holder: "process 7".into() },
        Error::BaseMismatch { head: id(1), base: id(2), target: id(3) },
        chain(None).into(),
        chain(Some("p3")).into(),
        Error::HeadMoved { head: id(1), expected: id(2) },
        Error::Changed { what: "/x".into(), detail: "it is a directory".into() },
        Error::damaged("d", 7, "bad checksum"),
        Error::newer("d", "frames of kind 12"),
        Error::Incomplete { version: id(1), missing: 2, supplier: Some(id(2)) },
        Error::Incomplete { version: id(1), missing: 2, supplier: None },
        Error::Foreign { what: "f".into(), detail: "is a text".into() },
        Error::ReadOnly { what: "d".into(), why: "it is an export".into() },
        Error::Limit { what: "the name".into(), limit: 255, found: 256 },
        Error::Collected(Hash::ZERO),
        Error::Busy("many write".into()),
        Error::Interrupted,
        io(io::Error::from_raw_os_error(2)),
        io(io::Error::from_raw_os_error(28)),
        io(io::Error::from_raw_os_error(13)),
        io(io::Error::other("a reason of our own")),
    ];
    all.extend(KINDS.map(|(_, kind)| io(kind.into())));
    all
}

#[test]
fn every_error_comes_back_as_it_was_through_json() {
    for error in all() {
        let problem =
            Problem { cause: Cause::from(&error), status: 500, detail: error.to_string() };
        let text = serde_json::to_string(&problem).unwrap();
        let returned: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(returned, problem, "{text}");
        let returned = returned.into_error("somewhere else").unwrap();
        assert_eq!(returned.to_string(), error.to_string(), "{text}");
        match (&returned, &error) {
            (Error::Io { source: returned, .. }, Error::Io { source, .. }) => {
                assert_eq!(returned.kind(), source.kind());
                assert_eq!(returned.raw_os_error(), source.raw_os_error());
            }
            _ => assert_eq!(format!("{returned:?}"), format!("{error:?}")),
        }
    }
}

#[test]
fn a_problem_is_told_by_its_type_and_members_whatever_its_words_are() {
    for error in all().iter().filter(|error| !matches!(error, Error::Invalid(_))) {
        let problem =
            Problem { cause: Cause::from(error), status: 500, detail: "other words".into() };
        assert_eq!(problem.into_error("x").unwrap().to_string(), error.to_string());
    }
}

#[test]
fn what_a_server_keeps_back_is_said_of_the_server() {
    for (cause, text) in [
        (
            Cause::Locked { file: None, holder: None },
            "url is being written by another process there",
        ),
        (Cause::ReadOnly { file: None, why: None }, "url cannot be written to: words"),
        (
            Cause::Newer { file: None, needs: "x".into() },
            "url was made by a newer aeordb: it needs x",
        ),
        (Cause::StoredDamaged { offset: 7 }, "url is damaged at offset 7: words"),
        (Cause::NoSpace { what: None, system: None }, "url: words"),
        (Cause::Changed { what: None, why: None }, "url is not what was expected: words"),
        (Cause::Internal {}, "url: words"),
    ] {
        let problem = Problem { cause, status: 500, detail: "words".into() };
        assert_eq!(problem.into_error("url").unwrap().to_string(), text);
    }
}

#[test]
fn a_type_that_is_newer_than_this_program_keeps_its_name() {
    let text =
        r#"{"type":"urn:aeordb:problem:frozen","status":409,"detail":"it is cold","since":1}"#;
    let problem: Problem = serde_json::from_str(text).unwrap();
    assert_eq!(problem.cause, Cause::Unknown("frozen".into()));
    assert_eq!(*problem.clone().into_error("x").unwrap_err(), problem);
    let bare: Problem = serde_json::from_str("{}").unwrap();
    assert_eq!(bare.cause, Cause::Unknown(String::new()));
}
