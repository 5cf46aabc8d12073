//! Ctrl-C while a verb works, and while it waits for a server, a backup elsewhere or whoever reads what it
//! writes, none of which may ever answer: one signal is enough.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::Sandbox;
use crate::server::Served;
use crate::trees;

#[test]
fn an_interrupted_verification_is_cancelled_on_the_server() {
    let sandbox = Sandbox::new();
    let served = Served::start(&sandbox, "");
    for round in 1..10 {
        sandbox.write("large", trees::noise(round, 16_000_000));
        served.ok(&["put", "large", &format!("/{round}")]);
        let mut verify = sandbox.command(&["verify", "--deep", "--server", &served.url]);
        verify.env("AEORDB_API_KEY", &served.key).stdout(Stdio::null()).stderr(Stdio::null());
        let mut verify = verify.spawn().unwrap();
        let state = || served.jobs().into_iter().find(|(id, _)| *id == round).map(|job| job.1);
        let ended = loop {
            match (state().as_deref(), verify.try_wait().unwrap()) {
                (Some("running"), None) => break false,
                (_, Some(_)) => break true,
                _ => {}
            }
        };
        if !ended {
            let pid = Pid::from_raw(i32::try_from(verify.id()).unwrap());
            kill(pid, Signal::SIGINT).unwrap();
            let code = verify.wait().unwrap().code();
            match (code, state().as_deref()) {
                (Some(130), Some("cancelled")) => return,
                // It was done before the signal: a job that is done is forgotten when cancelled, also by a
                // client that then reports what it found.
                (Some(0), Some("done") | None) | (Some(130), None) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("every verification was done before it could be interrupted");
}

/// Asks again and again for as long as a loaded machine may need.
fn until<T>(what: &str, mut asked: impl FnMut() -> Option<T>) -> T {
    for _ in 0..12_000 {
        if let Some(answer) = asked() {
            return answer;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{what}: never")
}

/// A verb that is under way, and what it is called.
struct UnderWay {
    words: String,
    child: Child,
    /// Whom it waits for, if anybody.
    _silent: Option<TcpStream>,
}

impl UnderWay {
    fn start(words: &[&str], mut command: Command) -> UnderWay {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        UnderWay { words: words.join(" "), child: command.spawn().unwrap(), _silent: None }
    }

    /// The same, once it has asked `server`, which will not answer.
    fn asking(words: &[&str], command: Command, server: &TcpListener) -> UnderWay {
        let mut started = UnderWay::start(words, command);
        server.set_nonblocking(true).unwrap();
        started._silent = Some(until(&started.words, || match server.accept() {
            Ok((stream, _)) => Some(stream),
            Err(_) => {
                let ended = started.child.try_wait().unwrap();
                assert!(ended.is_none(), "{} ended before it asked", words.join(" "));
                None
            }
        }));
        started
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Its end: 130, or by the signal itself where there is nothing to be tidied up.
    fn ends(mut self) {
        let status = until(&self.words, || self.child.try_wait().unwrap());
        let code = status.code();
        assert!(code == Some(130) || status.signal() == Some(2), "{}: {status}", self.words);
    }
}

#[test]
fn one_signal_ends_every_verb_that_waits_for_a_server_that_never_answers() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let verbs: &[&[&str]] = &[
        &["put", "tree", "/"],
        &["put", "--dry-run", "tree", "/"],
        &["put", "--mirror", "tree", "/"],
        &["get", "/", "out"],
        &["get", "--mirror", "/", "out"],
        &["ls", "-r"],
        &["cat", "/a"],
        &["find", "*", "--versions"],
        &["log", "/a"],
        &["du"],
        &["export", "--output", "e.aeordb"],
        &["export", "--output", "-"],
        &["diff", "v1", "--output", "e.aeordb"],
        &["diff", "v1"],
        &["diff", "v1", "--local", "tree"],
        &["import", "--promote", "full.aeordb"],
        &["verify", "--deep"],
        &["gc"],
        &["keep", "--last", "1"],
        &["forget", "--history"],
        &["rm", "-r", "/docs"],
        &["snapshot", "create", "v3"],
        &["info"],
    ];
    let started: Vec<_> = verbs
        .iter()
        .map(|words| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut command = sandbox.at_a_terminal(words);
            command.env("AEORDB_SERVER", format!("http://{}", server.local_addr().unwrap()));
            command.env("AEORDB_API_KEY", "aeor_a_b");
            UnderWay::asking(words, command, &server)
        })
        .collect();
    started.iter().for_each(UnderWay::interrupt);
    started.into_iter().for_each(UnderWay::ends);
    assert!(!sandbox.exists("out") && !sandbox.exists("e.aeordb"));
}

#[test]
fn one_signal_ends_every_verb_that_waits_for_a_backup_elsewhere_that_never_comes() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    sandbox.ok(&["diff", "v1", "--output", "patch.aeordb"]);
    let before = sandbox.entries();
    let verbs: &[&[&str]] = &[
        &["import", "URL", "-d", "new.aeordb"],
        &["import", "URL"],
        &["combine", "URL", "--output", "c.aeordb"],
        &["export", "-d", "URL", "--output", "c.aeordb"],
        &["get", "-d", "URL", "/", "out"],
        &["verify", "--deep", "URL"],
        &["info", "URL"],
        &["salvage", "-d", "full.aeordb", "--from", "URL", "--output", "c.aeordb"],
        &["ls", "-d", "full.aeordb", "--with", "URL"],
        &["verify", "patch.aeordb", "--with", "URL"],
        &["export", "--output", "s3://bucket/key.aeordb"],
    ];
    let started: Vec<_> = verbs
        .iter()
        .map(|words| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", server.local_addr().unwrap());
            let file = format!("{url}/full.aeordb");
            let words: Vec<&str> =
                words.iter().map(|word| if *word == "URL" { &*file } else { word }).collect();
            let mut command = sandbox.at_a_terminal(&words);
            command.env("AWS_ENDPOINT_URL", &url).env("AWS_REGION", "us-east-1");
            command.env("AWS_ACCESS_KEY_ID", "k").env("AWS_SECRET_ACCESS_KEY", "s");
            UnderWay::asking(&words, command, &server)
        })
        .collect();
    started.iter().for_each(UnderWay::interrupt);
    started.into_iter().for_each(UnderWay::ends);
    assert_eq!(sandbox.entries(), before);
    sandbox.ok(&["verify", "--deep"]);
}

#[test]
fn one_signal_ends_what_waits_for_whoever_reads_it_or_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("noise", trees::noise(3, 3_000_000));
    sandbox.ok(&["put", "noise", "/noise"]);
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let fifo = sandbox.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let verbs: &[&[&str]] = &[
        &["export", "--output", "-"],
        &["combine", "full.aeordb", "--output", "-"],
        &["cat", "/noise"],
        &["get", "/noise", "-"],
        &["put", "-", "/x", "-d", "one.aeordb"],
        &["import", "fifo", "-d", "two.aeordb"],
        &["import", "-", "-d", "three.aeordb"],
        &["put", "--from-command", "/x", "-d", "four.aeordb", "--", "sleep", "1000"],
    ];
    let before = sandbox.entries();
    let started: Vec<_> =
        verbs.iter().map(|words| UnderWay::start(words, sandbox.at_a_terminal(words))).collect();
    for verb in &started {
        // It has its last thread, and sleeps: whoever it waits for is waited for.
        let state = format!("/proc/{}/stat", verb.child.id());
        until(&verb.words, || {
            let stat = std::fs::read_to_string(&state).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('S').then_some(())
        });
    }
    thread::park_timeout(Duration::from_millis(500));
    started.iter().for_each(UnderWay::interrupt);
    started.into_iter().for_each(UnderWay::ends);
    assert_eq!(sandbox.entries(), before);
}

/// True once the program listens for signals and has a file open.
fn is_at_work(pid: u32, file: &std::path::Path) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_default();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    caught & 2 != 0 && open.any(|name| name == file)
}

/// How a verb ends that is interrupted once it has the file `read` open.
fn stopped_at_work(sandbox: &Sandbox, words: &[&str], read: &str) -> std::process::Output {
    let mut verb = UnderWay::start(words, sandbox.at_a_terminal(words));
    let (file, pid) = (std::fs::canonicalize(sandbox.path(read)).unwrap(), verb.child.id());
    until(&verb.words, || {
        let ended = verb.child.try_wait().unwrap().is_some();
        (ended || is_at_work(pid, &file)).then_some(())
    });
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGINT);
    verb.child.wait_with_output().unwrap()
}

#[test]
fn a_signal_stops_every_long_verb_at_work_and_leaves_everything_as_it_was_or_as_it_shall_be() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/noise", trees::noise(4, 24_000_000));
    for number in 0..400 {
        sandbox.write(format!("tree/small/{number}"), format!("{number}\n"));
    }
    sandbox.ok(&["put", "tree", "/", "-d", "base.aeordb"]);
    sandbox.ok(&["snapshot", "create", "v1", "-d", "base.aeordb"]);
    sandbox.ok(&["export", "--output", "full.aeordb", "-d", "base.aeordb"]);
    sandbox.write("tree/noise", trees::noise(5, 24_000_000));
    sandbox.ok(&["put", "tree", "/", "-d", "base.aeordb"]);
    let verbs: &[(&str, &[&str])] = &[
        ("put", &["put", "full.aeordb", "/full"]),
        ("import", &["import", "--promote", "full.aeordb"]),
        ("export", &["export", "--output", "made"]),
        ("diff", &["diff", "v1", "--output", "made"]),
        ("combine", &["combine", "full.aeordb", "--output", "made"]),
        ("verify", &["verify", "--deep"]),
        ("compact", &["compact"]),
        ("get", &["get", "/", "made"]),
        ("salvage", &["salvage", "--output", "made"]),
        ("repair", &["repair", "--from", "full.aeordb"]),
    ];
    let base = sandbox.read("base.aeordb");
    let heads = [sandbox.head_of("base.aeordb"), {
        sandbox.write("data.aeordb", &base);
        sandbox.ok(verbs[0].1);
        sandbox.version("HEAD")
    }];
    let full = sandbox.json(&["stat", "/", "-d", "full.aeordb"])["version"].clone();
    for (name, words) in verbs {
        let stopped = (0..40).any(|_| {
            sandbox.write("data.aeordb", &base);
            let read = if *name == "combine" { "full.aeordb" } else { "data.aeordb" };
            let output = stopped_at_work(&sandbox, words, read);
            let (code, err) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
            assert!(matches!(code, Some(0 | 130)), "{name}: {:?}\n{err}", output.status);
            let made = sandbox.exists("made");
            assert!(*name == "get" || !made || code == Some(0), "{name} left a part");
            if made && sandbox.path("made").is_dir() {
                std::fs::remove_dir_all(sandbox.path("made")).unwrap();
            } else if made {
                std::fs::remove_file(sandbox.path("made")).unwrap();
            }
            code == Some(130)
        });
        assert!(stopped, "{name}: was always done before it could be stopped");
        sandbox.ok(&["verify", "--deep"]);
        let head = sandbox.version("HEAD");
        assert!(heads.contains(&head) || full == head, "{name}: {head}");
        let left: Vec<_> =
            sandbox.entries().into_iter().filter(|entry| entry.starts_with('.')).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}
