//! How a server starts, to whom it gives its first key, and what a client is told that it refuses.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::server::Served;

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--log", "errors"];

fn serve(sandbox: &Sandbox, more: &[&str]) -> Run {
    let arguments = [&SERVE[..], more].concat();
    Run::new(&arguments, sandbox.command(&arguments).output().unwrap())
}

#[test]
fn a_first_key_that_could_not_be_shown_does_not_stay() {
    let sandbox = Sandbox::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = sandbox.command(&SERVE).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(sandbox.ok(&["key", "list"]), "");
    // The next start makes one that works.
    Served::start(&sandbox, "").ok(&["ls", "/"]);
}

#[test]
fn a_first_key_goes_to_a_new_file_that_nobody_else_reads_and_from_there_to_clients() {
    let sandbox = Sandbox::new();
    sandbox.write("taken", "something else");
    let refused = serve(&sandbox, &["--first-key-file", "taken"]);
    refused.refused(15, "taken", "--first-key-file");
    assert_eq!(sandbox.read("taken"), b"something else");
    assert!(!sandbox.exists("data.aeordb"));
    let served = Served::start_with(&sandbox, "", &["--first-key-file", "first-key"]);
    let mode = fs::metadata(sandbox.path("first-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let arguments = ["ls", "/", "--server", served.url.as_str()];
    let with_file = |file: &str| {
        let mut command = sandbox.command(&arguments);
        command.env_remove("AEORDB_API_KEY").env("AEORDB_API_KEY_FILE", sandbox.path(file));
        Run::new(&arguments, command.output().unwrap())
    };
    with_file("first-key").expect(0);
    with_file("taken").refused(12, "a valid key is needed", "AEORDB_API_KEY_FILE");
    sandbox.write("empty", "\n");
    with_file("empty").refused(12, "there is no key in", "AEORDB_API_KEY_FILE");
}

#[test]
fn whoever_may_not_send_a_large_body_is_told_so_every_time() {
    let sandbox = Sandbox::new();
    sandbox.write("large", vec![b'x'; 8_000_000]);
    let served = Served::start(&sandbox, "");
    let key = served.ok(&["key", "create", "--name", "reader", "--scope", "read"]);
    for _ in 0..15 {
        for verb in [&["put", "large", "/large"][..], &["import", "--file", "large"]] {
            let mut all = verb.to_vec();
            all.extend(["--server", &served.url]);
            let output = sandbox.command(&all).env("AEORDB_API_KEY", key.trim()).output().unwrap();
            Run::new(&all, output).refused(12, "this needs the scope", "AEORDB_API_KEY");
        }
    }
}

#[test]
fn a_server_that_cannot_start_and_one_that_cannot_be_reached_say_what_helps() {
    let sandbox = Sandbox::new();
    let served = Served::start(&sandbox, "");
    let other = Sandbox::new();
    let address = served.url.strip_prefix("http://").unwrap();
    let taken = other.run(&["serve", "--listen", address]);
    taken.refused(1, "listening on", "choose another --listen");
    serve(&other, &["--backup-dir", "no/such"]).refused(10, "no/such", "--backup-dir");
    other.write("not.pem", "no certificate");
    let tls = ["--tls-cert", "not.pem", "--tls-key", "not.pem"];
    serve(&other, &tls).refused(2, "not.pem", "in PEM");
    other.run(&["serve", "--listen", "0.0.0.0:0"]).refused(2, "plain text", "--tls-cert");
    let https = served.url.replace("http://", "https://");
    let mixed = sandbox.command(&["ls", "/", "--server", &https]);
    let output = { mixed }.env("AEORDB_API_KEY", &served.key).output().unwrap();
    Run::new(&["ls"], output).refused(1, "asking", "http:// instead of https://");
}

#[test]
fn the_log_names_who_fetched_a_backup_and_is_not_flooded_by_wrong_keys() {
    let sandbox = Sandbox::new();
    let log = File::create(sandbox.path("log")).unwrap();
    let mut served = Served::start_logging(&sandbox, "", &["--log", "changes"], log.into());
    for _ in 0..200 {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        stream.write_all(b"GET /files/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    served.ok(&["ls", "/"]);
    served.ok(&["export", "--output", "fetched.aeordb"]);
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
    let log = String::from_utf8(sandbox.read("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = lines.iter().filter(|line| line["key"].is_null() && line["path"] == "/files/");
    let refused = refused.count();
    assert!((1..100).contains(&refused), "{refused} lines of 200 requests");
    let id = served.key.split('_').nth(1).unwrap();
    let fetched: Vec<_> = lines.iter().filter(|line| line["key"] == id).collect();
    assert_eq!(fetched.len(), 1, "{fetched:?}");
    assert_eq!(fetched[0]["path"], "/admin/export");
    assert_eq!(fetched[0]["client"], "127.0.0.1");
    assert!(!log.contains(&served.key));
}

#[test]
fn the_log_tells_of_every_backup_that_leaves_and_calls_no_head_aborted() {
    let sandbox = Sandbox::with_v2();
    let log = File::create(sandbox.path("log")).unwrap();
    let mut served = Served::start_logging(&sandbox, "", &["--log", "changes"], log.into());
    let key = served.ok(&["key", "create", "--name", "reader", "--scope", "read,export"]);
    let told = [
        "GET /files/?archive=aeordb",
        "GET /files/?archive=tar",
        "GET /admin/export",
        "HEAD /admin/export",
    ];
    let untold = ["HEAD /files/?archive=aeordb&outline", "GET /files/docs/?recursive"];
    for request in told.into_iter().chain(untold) {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        let head =
            format!("{request} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", key.trim());
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200 "), "{request}");
    }
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
    let log = String::from_utf8(sandbox.read("log")).unwrap();
    let id = key.split('_').nth(1).unwrap();
    let lines: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["key"] == id)
        .inspect(|line| assert_eq!(line["event"], "request", "{line}"))
        .map(|line| {
            format!("{} {}", line["method"].as_str().unwrap(), line["path"].as_str().unwrap())
        })
        .collect();
    let paths = told.map(|request| request.split('?').next().unwrap());
    assert_eq!(lines, paths);
}
