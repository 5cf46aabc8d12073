//! What nobody sits beside: waiting for others, saying how far it is, taking part of the machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;

use aeordb::db::{Database, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Sandbox, line, number};
use crate::server::Served;

const WRITING: [&[&str]; 6] = [
    &["snapshot", "create", "v9"],
    &["put", "tree", "/again"],
    &["rm", "/top.txt"],
    &["import", "full.aeordb"],
    &["gc"],
    &["compact"],
];

/// The next line of a child's standard error.
fn next(messages: &mut impl BufRead) -> String {
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    line
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn a_writing_verb_waits_for_the_lock_says_so_once_and_goes_on() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    for verb in WRITING {
        let other =
            Database::open_writer(sandbox.path("data.aeordb"), &Options::default()).unwrap();
        let mut waiting =
            sandbox.command(&[verb, &["--lock-wait", "10m"]].concat()).spawn().unwrap();
        let mut messages = BufReader::new(waiting.stderr.take().unwrap());
        let told = next(&mut messages);
        assert!(
            told.starts_with("aeordb: waiting up to 10 min 0 s: data.aeordb is being"),
            "{told}"
        );
        drop(other);
        let rest: Vec<_> = messages.lines().map(Result::unwrap).collect();
        assert_eq!(
            (waiting.wait().unwrap().code(), rest.as_slice()),
            (Some(0), &[][..]),
            "{verb:?}"
        );
    }
    sandbox.ok(&["verify", "--deep"]);
}

#[test]
fn a_wait_that_ends_ends_as_without_one() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let other = Database::open_writer(sandbox.path("data.aeordb"), &Options::default()).unwrap();
    for verb in WRITING {
        let run = sandbox.run(&[verb, &["--lock-wait", "20ms"]].concat()).expect(11);
        assert_eq!(run.err.matches("waiting up to 0.020 s").count(), 1, "{}", run.err);
        let at_once = sandbox.run(verb).expect(11);
        assert!(run.err.ends_with(&at_once.err), "{}{}", run.err, at_once.err);
    }
    let mut waiting =
        sandbox.at_a_terminal(&["put", "tree", "/", "--lock-wait", "10m"]).spawn().unwrap();
    let mut messages = BufReader::new(waiting.stderr.take().unwrap());
    next(&mut messages);
    signal(&waiting, Signal::SIGINT);
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    drop(other);
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let busy = "{\"type\":\"busy\",\"title\":\"Busy\",\"status\":503,\"detail\":\"many write\",\
                \"why\":\"many write\"}";
    let done = "{\"head\":\"HEAD\",\"previous\":\"HEAD\"}".replace("HEAD", &"0".repeat(64));
    let replies = [("503 Busy", busy), ("503 Busy", busy), ("200 OK", &done)];
    let asked = thread::scope(|scope| {
        let server = scope.spawn(|| {
            for (status, body) in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let mut len = 0;
                loop {
                    let header = next(&mut request).to_lowercase();
                    if let Some(number) = header.strip_prefix("content-length: ") {
                        len = number.trim().parse().unwrap();
                    }
                    if header.trim().is_empty() {
                        break;
                    }
                }
                std::io::copy(&mut std::io::Read::take(request, len), &mut std::io::sink())
                    .unwrap();
                let head = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}",
                    body.len()
                );
                stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
            }
            replies.len()
        });
        let mut promote = sandbox.command(&["promote", &"0".repeat(64), "--server", &url]);
        promote.args(["--lock-wait", "10m"]).env("AEORDB_API_KEY", "key");
        let output = promote.output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{messages}");
        assert_eq!(messages.matches("waiting up to").count(), 1, "{messages}");
        server.join().unwrap()
    });
    assert_eq!(asked, 3);
}

#[test]
fn progress_is_lines_of_json_without_a_terminal_and_the_last_one_says_that_it_ended() {
    let sandbox = Sandbox::with_v1();
    let lines = |arguments: &[&str]| {
        let run = sandbox.run(&[arguments, &["--progress", "json"]].concat()).expect(0);
        let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        run.err.lines().map(parsed).collect::<Vec<_>>()
    };
    let put = lines(&["put", "tree", "/more"]);
    let last = put.last().unwrap();
    assert_eq!((&last["type"], &last["phase"]), (&"progress".into(), &"put".into()));
    assert_eq!((&last["files"], &last["bytes"]), (&3.into(), &15.into()));
    assert_eq!((&last["files_expected"], &last["bytes_expected"]), (&3.into(), &15.into()));
    assert!(last["path"].as_str().unwrap().starts_with("/more/"), "{last}");
    assert_eq!(put.iter().filter(|line| line["ended"] == true).count(), 1);
    for verb in
        [&["export", "--output", "full.aeordb"][..], &["verify", "--deep"], &["gc"], &["compact"]]
    {
        let last = lines(verb).pop().unwrap();
        assert_eq!((&last["type"], &last["ended"]), (&"progress".into(), &true.into()), "{last}");
    }
}

#[test]
fn a_signal_has_a_verb_say_once_how_far_it_is() {
    let sandbox = Sandbox::with_v1();
    for (more, starts) in
        [(&[][..], "aeordb: put: "), (&["--json"], "{\"type\":\"progress\",\"phase\":\"put\"")]
    {
        let arguments = [&["put", "-", "/stream"], more].concat();
        let mut put = sandbox.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut messages = BufReader::new(put.stderr.take().unwrap());
        let mut input = put.stdin.take().unwrap();
        // More than a pipe holds: it reads when this returns.
        input.write_all(&vec![7; 1 << 20]).unwrap();
        signal(&put, Signal::SIGUSR1);
        let told = next(&mut messages);
        assert!(told.starts_with(starts), "{told}");
        drop(input);
        assert_eq!(put.wait().unwrap().code(), Some(0));
        assert_eq!(messages.lines().count(), 0);
    }
}

#[test]
fn the_level_of_compression_and_the_number_of_threads_change_no_version() {
    let sandbox = Sandbox::new();
    let text: String =
        (0..60_000u32).map(|n| format!("line {} of {}\n", n % 1009 * n % 997, n % 37)).collect();
    sandbox.write("tree/text", &text);
    sandbox.write("tree/other", text.replace("line", "LINE"));
    let put = |database: &str, more: &[&str]| {
        let report = sandbox.ok(&[&["put", "tree", "/", "--database", database], more].concat());
        let version = line(&report, "Version").to_owned();
        (version, sandbox.read(database).len())
    };
    let usual = put("usual.aeordb", &[]);
    let least = put("least.aeordb", &["--compression", "1", "--jobs", "1"]);
    let most = put("most.aeordb", &["--compression", "19", "--jobs", "3"]);
    assert!(usual.0 == least.0 && usual.0 == most.0);
    assert!(most.1 < usual.1 && most.1 < least.1, "{most:?} {usual:?} {least:?}");
    let export = |name: &str, more: &[&str]| {
        let export = ["export", "--database", "usual.aeordb", "--output", name];
        let report = sandbox.ok(&[&export, more].concat());
        (line(&report, "Version").to_owned(), sandbox.read(name).len())
    };
    let (full, small) =
        (export("full", &[]), export("small", &["--compression", "19", "--jobs", "1"]));
    assert!(full.0 == small.0 && small.1 < full.1, "{small:?} {full:?}");
    sandbox.ok(&["verify", "--deep", "small"]);
    sandbox.ok(&[
        "import",
        "full",
        "--database",
        "packed.aeordb",
        "--compression",
        "19",
        "--promote",
    ]);
    assert!(sandbox.read("packed.aeordb").len() < usual.1);
    sandbox.ok(&["compact", "--database", "usual.aeordb", "--compression", "19"]);
    assert!(sandbox.read("usual.aeordb").len() < usual.1);
    for database in ["packed.aeordb", "usual.aeordb"] {
        sandbox.ok(&["verify", "--deep", database]);
        assert_eq!(sandbox.head_of(database), usual.0);
    }
    sandbox.run(&["put", "tree", "/", "--compression", "23"]).expect(2);
    sandbox.run(&["put", "tree", "/", "--jobs", "0"]).expect(2);
}

#[test]
fn through_a_server_a_put_is_sent_at_a_rate_and_a_level_of_its_own() {
    let sandbox = Sandbox::with_v1();
    let served = Served::start(&sandbox, "");
    sandbox.write("new/large", crate::trees::noise(7, 300_000));
    let options =
        ["--limit-upload", "4M", "--compression", "12", "--jobs", "1", "--progress", "json"];
    let put = served.run(&[&["put", "new", "/new"][..], &options].concat()).expect(0);
    assert_eq!(number(&put.out(), "Files"), 1);
    assert!(put.err.lines().last().unwrap().contains("\"ended\":true"), "{}", put.err);
    served.ok(&["get", "/new", "back"]);
    assert_eq!(sandbox.read("back/large"), sandbox.read("new/large"));
    let full = ["export", "--output", "full.aeordb"];
    served.run(&[&full[..], &["--compression", "3"]].concat()).refused(
        2,
        "--compression",
        "--help",
    );
    served.run(&[&full[..], &["--limit-upload", "0"]].concat()).expect(2);
}
