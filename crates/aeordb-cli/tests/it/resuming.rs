//! Puts that are killed, and the next ones at the same place.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::trees;

const FILES: u64 = 48;
const FILE_LEN: usize = 256 * 1024;
const LEN: u64 = FILES * FILE_LEN as u64;

/// Files that no compression makes less, older than the clock tells.
fn source(sandbox: &Sandbox) {
    for number in 0..FILES {
        sandbox.write(format!("source/{number:02}"), trees::noise(number + 1, FILE_LEN));
    }
}

/// Kills a put of the source with SIGKILL once its database has so many bytes, under either name.
fn killed(sandbox: &Sandbox, bytes: u64) {
    let words = ["put", "source", "/", "--checkpoint", "1M"];
    let mut put = sandbox.command(&words).stderr(Stdio::null()).spawn().unwrap();
    let names = ["data.aeordb", ".data.aeordb.aeordb-unfinished"];
    let len = || names.iter().filter_map(|name| fs::metadata(sandbox.path(name)).ok()).next();
    for _ in 0..20_000 {
        if len().is_some_and(|found| found.len() >= bytes) {
            break;
        }
        if put.try_wait().unwrap().is_some() {
            break;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    put.kill().unwrap();
    put.wait().unwrap();
}

#[test]
fn a_first_load_that_is_killed_again_and_again_goes_on_in_a_file_beside() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    for quarter in 1..=3 {
        killed(&sandbox, LEN / 4 * quarter);
    }
    if !sandbox.path("data.aeordb").exists() {
        let beside = sandbox.path(".data.aeordb.aeordb-unfinished");
        let before = fs::metadata(&beside).unwrap().len();
        assert!(before >= LEN / 4, "{before}");
        let words = ["info", ".data.aeordb.aeordb-unfinished", "--json"];
        let info: Value = serde_json::from_str(&sandbox.ok(&words)).unwrap();
        assert_eq!(info["unfinished"][0]["path"], "/", "{info}");
        assert_eq!(info["history"], 0);
        assert!(info["unfinished"][0]["bytes"].as_u64().unwrap() >= LEN / 8, "{info}");
    }
    sandbox.ok(&["put", "source", "/", "--checkpoint", "1M"]);
    assert!(!sandbox.path(".data.aeordb.aeordb-unfinished").exists());
    let after = fs::metadata(sandbox.path("data.aeordb")).unwrap().len();
    // What the last commit before a kill wrote may be there twice: nobody knows whether it is on the disk.
    assert!(after < LEN + LEN / 2, "{after}: hardly anything is there twice");
    let info: Value = serde_json::from_str(&sandbox.ok(&["info", "--json"])).unwrap();
    assert_eq!((&info["history"], info.get("unfinished")), (&Value::from(1), None), "{info}");
    sandbox.ok(&["verify", "--deep"]);
    sandbox.ok(&["get", "/", "back"]);
    for number in 0..FILES {
        let name = format!("{number:02}");
        let (one, other) = (format!("source/{name}"), format!("back/{name}"));
        assert!(fs::read(sandbox.path(one)).unwrap() == fs::read(sandbox.path(other)).unwrap());
    }
}

#[test]
fn a_put_that_is_killed_changes_nothing_that_is_seen_and_info_says_what_it_keeps() {
    let sandbox = Sandbox::with_v1();
    source(&sandbox);
    let seen = |sandbox: &Sandbox| {
        [&["ls", "-r"][..], &["log"], &["snapshot", "list"]].map(|words| sandbox.ok(words))
    };
    let before = seen(&sandbox);
    killed(&sandbox, LEN / 2);
    if seen(&sandbox) == before {
        let said = sandbox.ok(&["info"]);
        assert!(said.contains("Unfinished put:") && said.contains(", kept until 20"), "{said}");
        sandbox.ok(&["gc"]);
        sandbox.ok(&["compact"]);
        sandbox.ok(&["verify", "--deep"]);
        assert!(sandbox.ok(&["info"]).contains("Unfinished put:"));
    }
    sandbox.ok(&["put", "source", "/"]);
    assert!(!sandbox.ok(&["info"]).contains("Unfinished put:"));
    sandbox.ok(&["verify", "--deep"]);
}
