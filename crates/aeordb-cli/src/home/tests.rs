use std::io::ErrorKind;

use aeordb::Error;
use aeordb_client::Client;
use aeordb_server::problem::Problem as Told;

use crate::exit;

const URL: &str = "http://127.0.0.1:3000";

fn through(told: &Told) -> Error {
    let text = serde_json::to_string(&told.document()).unwrap();
    let problem = serde_json::from_str(&text).unwrap();
    Client::new(URL, String::new()).unwrap().error_of(problem)
}

/// The error that comes back from a server that failed with `error`.
fn returned(error: Error) -> Error {
    through(&match error {
        // The only files that are not ours and get that far come with a request.
        foreign @ Error::Foreign { .. } => Told::of_backup(foreign),
        other => Told::from(other),
    })
}

#[test]
fn every_kind_of_error_has_the_same_type_and_exit_code_through_a_server() {
    let mut kinds = std::collections::BTreeSet::new();
    for (local, remote) in exit::tests::all().into_iter().zip(exit::tests::all()) {
        let (local, remote) = (local.0, returned(remote.0));
        if matches!(&local, Error::Io { source, .. } if source.kind() != ErrorKind::StorageFull) {
            // What the system refused a server is its administrator's to know.
            let cause = exit::cause(&remote);
            assert_eq!((cause.kind(), exit::code(&remote)), ("io", 1), "{local:?}");
            continue;
        }
        let (here, there) = (exit::cause(&local), exit::cause(&remote));
        assert_eq!((there.kind(), there.title()), (here.kind(), here.title()), "{local:?}");
        assert_eq!(exit::code(&remote), exit::code(&local), "{local:?}");
        kinds.insert(here.kind().to_owned());
    }
    assert_eq!(kinds.len(), 21, "{kinds:?}");
}

#[test]
fn what_an_error_is_about_comes_through_a_server_as_data() {
    for error in [
        Error::not_found("snapshot 'v1 not found'"),
        Error::Exists("/x already exists".into()),
        Error::Changed { what: "/x is not what was expected: y".into(), detail: "z".into() },
        Error::Limit { what: "what is it is".into(), limit: 1, found: 2 },
        Error::Busy("many write".into()),
        Error::damaged("the input is damaged at offset 3: not", 7, "bad checksum"),
    ] {
        let words = error.to_string();
        let back = match error {
            damaged @ Error::Damaged { .. } => through(&Told::of_backup(damaged)),
            other => returned(other),
        };
        assert_eq!(back.to_string(), words);
    }
}

#[test]
fn what_only_a_server_says_keeps_its_type() {
    let told = [
        (Told::busy("many are here"), "busy", 1),
        (Told::unavailable("the server stops"), "unavailable", 1),
        (Told::too_slow(), "too-slow", 1),
        (Told::too_large("a body", 7), "too-large", 1),
        (Told::slow_down(), "too-many-failures", 1),
        (Told::unsupported("it is packed"), "unsupported", 1),
        (Told::range(7), "range", 1),
        (Told::method_not_allowed(), "method-not-allowed", 1),
        (Told::unauthorized(), "denied", exit::DENIED),
        (Told::forbidden("this key may only append"), "denied", exit::DENIED),
        (Told::read_only(), "read-only", 1),
        (Told::precondition_failed("the tag is none of If-Match"), "changed", 13),
    ];
    for (told, kind, code) in told {
        let error = through(&told);
        assert_eq!((exit::cause(&error).kind(), exit::code(&error)), (kind, code), "{error:?}");
        assert!(!error.to_string().is_empty());
    }
}
