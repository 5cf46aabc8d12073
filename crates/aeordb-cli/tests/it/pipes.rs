//! Standard input and output, readers that leave, and signals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::desk::{Desk, line};
use crate::trees;

#[test]
fn put_reads_standard_input() {
    let desk = Desk::new();
    let bytes = trees::noise(5, 1_000_003);
    let put = ["put", "-", "/dumps/shop.sql", "--content-type", "application/sql"];
    desk.feed(&put, &bytes).expect(0);
    assert_eq!(desk.run(&["cat", "/dumps/shop.sql"]).expect(0).bytes, bytes);
    assert_eq!(desk.json(&["stat", "/dumps/shop.sql"])["content_type"], "application/sql");
    desk.feed(&["put", "-", "/empty"], b"").expect(0);
    assert_eq!(desk.ok(&["cat", "/empty"]), "");
}

#[test]
fn an_export_goes_through_a_pipe_into_an_import() {
    let desk = Desk::with_v2();
    let full = desk.run(&["export", "--output", "-", "--snapshot", "v1"]).expect(0);
    assert!(full.err.starts_with("Export complete.\n  Files: 3\n"), "{}", full.err);
    let import = ["import", "-d", "other.aeordb", "--file", "-", "--promote"];
    let run = desk.feed(&import, &full.bytes).expect(0);
    assert_eq!(line(&run.out(), "Version"), desk.version("v1"));

    let patch = desk.run(&["diff", "--from", "v1", "--to", "v2", "--output", "-"]).expect(0);
    assert!(patch.err.starts_with("Patch created.\n  Files added: 1\n"), "{}", patch.err);
    let run = desk.feed(&import, &patch.bytes).expect(0);
    assert_eq!(line(&run.out(), "Version"), desk.version("v2"));
    assert_eq!(desk.head_of("other.aeordb"), desk.version("v2"));
}

#[test]
fn a_pipe_and_a_file_are_the_same_export() {
    let desk = Desk::with_v1();
    let piped = desk.run(&["export", "--output", "-", "--json"]).expect(0);
    desk.ok(&["export", "--output", "e.aeordb"]);
    assert_eq!(piped.bytes.len(), desk.read("e.aeordb").len());
    let report: serde_json::Value = serde_json::from_str(&piped.err).unwrap();
    assert_eq!(report["output"], "-");
    assert!(!desk.exists("-"));
}

#[test]
fn a_cut_pipe_is_not_imported() {
    let desk = Desk::with_v1();
    let full = desk.run(&["export", "--output", "-"]).expect(0).bytes;
    for len in [0, 1, 100, full.len() / 2, full.len() - 1] {
        let run =
            desk.feed(&["import", "-d", "o.aeordb", "--file", "-", "--promote"], &full[..len]);
        assert!([1, 14].contains(&run.code), "{len} bytes: {run:?}");
        assert!(!desk.exists("o.aeordb"), "{len} bytes left a database");
    }
    let mut long = full;
    long.push(0);
    desk.feed(&["import", "-d", "o.aeordb", "--file", "-"], &long).expect(14);
    assert!(!desk.exists("o.aeordb"));
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let desk = Desk::new();
    desk.write("tree/large", trees::noise(6, 5_000_000));
    desk.ok(&["put", "tree", "/"]);
    for verb in [&["cat", "/large"][..], &["export", "--output", "-"]] {
        let mut child = desk.command(verb).spawn().unwrap();
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
    let desk = Desk::with_v1();
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    for verb in [&["ls"][..], &["cat", "/top.txt"], &["put", "tree", "/"]] {
        let mut command = desk.command(verb);
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("standard output"), "{verb:?}: {err}");
    }
}

/// Starts a put of standard input, waits until it has begun to read, and signals it.
fn stop_a_put(desk: &Desk, signal: Signal) -> std::process::Output {
    let mut put = desk.at_a_terminal(&["put", "-", "/half"]);
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
        let desk = Desk::new();
        let output = stop_a_put(&desk, signal);
        assert_eq!(output.status.code(), Some(130), "{signal}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.starts_with("aeordb: interrupted\nhint: "), "{err}");
        assert!(desk.entries().is_empty(), "{:?}", desk.entries());
    }
    let desk = Desk::with_v1();
    let output = stop_a_put(&desk, Signal::SIGINT);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(desk.version("HEAD"), desk.version("v1"));
}

#[test]
fn a_hang_up_that_was_to_be_ignored_is_ignored() {
    let desk = Desk::new();
    let under = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" put - /a -d data.aeordb",
            env!("CARGO_BIN_EXE_aeordb"),
        ])
        .current_dir(desk.path(""))
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
    let desk = Desk::with_v1();
    desk.ok(&["export", "--output", "full.aeordb"]);
    let full = desk.read("full.aeordb");
    let fifo = desk.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut importing =
        desk.command(&["import", "-d", "one", "--file", "fifo", "--promote"]).spawn().unwrap();
    std::fs::write(&fifo, &full).unwrap();
    assert!(importing.wait().unwrap().success());
    assert_eq!(desk.head_of("one"), desk.version("v1"));
    let words = ["import", "-d", "two", "--file", "/dev/stdin", "--promote"];
    desk.feed(&words, &full).expect(0);
    assert_eq!(desk.head_of("two"), desk.version("v1"));
    // Cut off, it is no backup.
    let words = ["import", "-d", "three", "--file", "/dev/stdin", "--promote"];
    desk.feed(&words, &full[..full.len() - 1]).expect(14);
    assert!(!desk.exists("three"));
}

#[test]
fn readers_end_at_a_signal_as_any_program_does() {
    let desk = Desk::new();
    desk.write("tree/large", trees::noise(6, 5_000_000));
    desk.ok(&["put", "tree", "/"]);
    let mut child = desk.at_a_terminal(&["cat", "/large"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGINT as i32));
}
