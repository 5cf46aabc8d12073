//! Standard input and output, readers that leave, and signals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{Sandbox, line};
use crate::trees;

#[test]
fn put_reads_standard_input() {
    let sandbox = Sandbox::new();
    let bytes = trees::noise(5, 1_000_003);
    let put = ["put", "-", "/dumps/shop.sql", "--content-type", "application/sql"];
    sandbox.feed(&put, &bytes).expect(0);
    assert_eq!(sandbox.run(&["cat", "/dumps/shop.sql"]).expect(0).bytes, bytes);
    assert_eq!(sandbox.json(&["stat", "/dumps/shop.sql"])["content_type"], "application/sql");
    sandbox.feed(&["put", "-", "/empty"], b"").expect(0);
    assert_eq!(sandbox.ok(&["cat", "/empty"]), "");
}

#[test]
fn an_export_goes_through_a_pipe_into_an_import() {
    let sandbox = Sandbox::with_v2();
    let full = sandbox.run(&["export", "--output", "-", "--snapshot", "v1"]).expect(0);
    assert!(full.err.starts_with("Export complete.\n  Files: 3\n"), "{}", full.err);
    let import = ["import", "-d", "other.aeordb", "--file", "-", "--promote"];
    let run = sandbox.feed(&import, &full.bytes).expect(0);
    assert_eq!(line(&run.out(), "Version"), sandbox.version("v1"));

    let patch = sandbox.run(&["diff", "--from", "v1", "--to", "v2", "--output", "-"]).expect(0);
    assert!(patch.err.starts_with("Patch created.\n  Files added: 1\n"), "{}", patch.err);
    let run = sandbox.feed(&import, &patch.bytes).expect(0);
    assert_eq!(line(&run.out(), "Version"), sandbox.version("v2"));
    assert_eq!(sandbox.head_of("other.aeordb"), sandbox.version("v2"));
}

#[test]
fn a_pipe_and_a_file_are_the_same_export() {
    let sandbox = Sandbox::with_v1();
    let piped = sandbox.run(&["export", "--output", "-", "--json"]).expect(0);
    sandbox.ok(&["export", "--output", "e.aeordb"]);
    assert_eq!(piped.bytes.len(), sandbox.read("e.aeordb").len());
    let report: serde_json::Value = serde_json::from_str(&piped.err).unwrap();
    assert_eq!(report["output"], "-");
    assert!(!sandbox.exists("-"));
}

#[test]
fn a_cut_pipe_is_not_imported() {
    let sandbox = Sandbox::with_v1();
    let full = sandbox.run(&["export", "--output", "-"]).expect(0).bytes;
    for len in [0, 1, 100, full.len() / 2, full.len() - 1] {
        let run =
            sandbox.feed(&["import", "-d", "o.aeordb", "--file", "-", "--promote"], &full[..len]);
        assert!([1, 14].contains(&run.code), "{len} bytes: {run:?}");
        assert!(!sandbox.exists("o.aeordb"), "{len} bytes left a database");
    }
    let mut long = full;
    long.push(0);
    sandbox.feed(&["import", "-d", "o.aeordb", "--file", "-"], &long).expect(14);
    assert!(!sandbox.exists("o.aeordb"));
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/large", trees::noise(6, 5_000_000));
    sandbox.ok(&["put", "tree", "/"]);
    for verb in [&["cat", "/large"][..], &["export", "--output", "-"]] {
        let mut child = sandbox.command(verb).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{verb:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{verb:?}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let sandbox = Sandbox::with_v1();
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    for verb in [&["ls"][..], &["cat", "/top.txt"], &["put", "tree", "/"]] {
        let mut command = sandbox.command(verb);
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("standard output"), "{verb:?}: {err}");
    }
}

/// Starts a put of standard input, waits until it has begun to read, and signals it.
fn stop_a_put(sandbox: &Sandbox, signal: Signal) -> std::process::Output {
    let mut put = sandbox.at_a_terminal(&["put", "-", "/half"]);
    let mut child = put.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds: once this is written, the verb is reading.
    stdin.write_all(&trees::noise(9, 1_000_000)).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    // The pipe stays open: the program must end although it waits for more.
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    output
}

#[test]
fn a_signal_stops_a_put_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let sandbox = Sandbox::new();
        let output = stop_a_put(&sandbox, signal);
        assert_eq!(output.status.code(), Some(130), "{signal}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.starts_with("aeordb: interrupted\nhint: "), "{err}");
        assert!(sandbox.entries().is_empty(), "{:?}", sandbox.entries());
    }
    let sandbox = Sandbox::with_v1();
    let output = stop_a_put(&sandbox, Signal::SIGINT);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v1"));
}

#[test]
fn a_hang_up_that_was_to_be_ignored_is_ignored() {
    let sandbox = Sandbox::new();
    let under = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" put - /a -d data.aeordb",
            env!("CARGO_BIN_EXE_aeordb"),
        ])
        .current_dir(sandbox.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = under.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&trees::noise(9, 1_000_000)).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGHUP).unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_import_reads_a_fifo_and_the_standard_input_by_its_name() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let full = sandbox.read("full.aeordb");
    let fifo = sandbox.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut importing =
        sandbox.command(&["import", "-d", "one", "--file", "fifo", "--promote"]).spawn().unwrap();
    std::fs::write(&fifo, &full).unwrap();
    assert!(importing.wait().unwrap().success());
    assert_eq!(sandbox.head_of("one"), sandbox.version("v1"));
    let words = ["import", "-d", "two", "--file", "/dev/stdin", "--promote"];
    sandbox.feed(&words, &full).expect(0);
    assert_eq!(sandbox.head_of("two"), sandbox.version("v1"));
    // Cut off, it is no backup.
    let words = ["import", "-d", "three", "--file", "/dev/stdin", "--promote"];
    sandbox.feed(&words, &full[..full.len() - 1]).expect(14);
    assert!(!sandbox.exists("three"));
}

#[test]
fn readers_end_at_a_signal_as_any_program_does() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/large", trees::noise(6, 5_000_000));
    sandbox.ok(&["put", "tree", "/"]);
    let mut child = sandbox.at_a_terminal(&["cat", "/large"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
}
