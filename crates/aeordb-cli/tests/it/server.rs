//! `serve`, `key`, and every verb through a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Run, Sandbox, line};

/// A server on the database of a sandbox. Dropping it kills it.
pub struct Served<'d> {
    sandbox: &'d Sandbox,
    child: Child,
    pub url: String,
    pub key: String,
}

impl<'d> Served<'d> {
    /// Starts the server; `key` is used if the database has one already.
    pub fn start(sandbox: &'d Sandbox, key: &str) -> Self {
        Served::start_with(sandbox, key, &[])
    }

    /// The same with more arguments.
    pub fn start_with(sandbox: &'d Sandbox, key: &str, more: &[&str]) -> Self {
        let more = [more, &["--log", "errors"]].concat();
        Served::start_logging(sandbox, key, &more, Stdio::null())
    }

    /// The same with what goes to standard error.
    pub fn start_logging(sandbox: &'d Sandbox, key: &str, more: &[&str], log: Stdio) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--json"], more].concat();
        let mut child = sandbox.at_a_terminal(&arguments).stderr(log).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let started: Value = serde_json::from_str(&first).unwrap();
        let key = started["key"].as_str().unwrap_or(key).to_owned();
        Served { sandbox, child, url: started["url"].as_str().unwrap().to_owned(), key }
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut all = arguments.to_vec();
        let end = all.iter().position(|word| *word == "--").unwrap_or(all.len());
        all.splice(end..end, ["--server", self.url.as_str()]);
        let output = self.sandbox.command(&all).env("AEORDB_API_KEY", &self.key).output().unwrap();
        Run::new(&all, output)
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect(0).out()
    }

    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What the server has at a path.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        write!(stream, "{request}Authorization: Bearer {}\r\n\r\n", self.key).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The jobs that the server remembers: their numbers and states.
    pub fn jobs(&self) -> Vec<(u64, String)> {
        let page: Value = serde_json::from_str(&self.get("/admin/jobs")).unwrap();
        let of = |job: &Value| {
            let id = job["id"].as_str().unwrap().parse().unwrap();
            (id, job["state"].as_str().unwrap().to_owned())
        };
        page["items"].as_array().unwrap().iter().map(of).collect()
    }

    pub fn signal(&mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_makes_the_database_and_a_key_once_and_ends_by_sigterm() {
    let sandbox = Sandbox::new();
    let mut served = Served::start(&sandbox, "");
    assert!(served.key.starts_with("aeor_"));
    sandbox.write("a.txt", "through the server\n");
    assert!(served.ok(&["put", "a.txt", "/a.txt"]).starts_with("Put complete.\n"));
    assert_eq!(served.ok(&["cat", "/a.txt"]), "through the server\n");
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
    assert_eq!(sandbox.ok(&["cat", "/a.txt"]), "through the server\n");
    let key = served.key.clone();
    let mut again = Served::start(&sandbox, &key);
    assert_eq!(again.key, key);
    again.ok(&["ls", "/"]);
    assert_eq!(again.signal(Signal::SIGHUP), Some(0));
}

#[test]
fn a_tree_travels_through_a_server_and_back() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/docs/a.txt", "alpha\n");
    sandbox.write("tree/b.txt", "beta\n");
    std::os::unix::fs::symlink("b.txt", sandbox.path("tree/link")).unwrap();
    let served = Served::start(&sandbox, "");
    let put = served.ok(&["put", "tree", "/t"]);
    assert_eq!(line(&put, "Files"), "3");
    served.ok(&["get", "/t", "back"]);
    assert_eq!(sandbox.read("back/docs/a.txt"), b"alpha\n");
    assert_eq!(std::fs::read_link(sandbox.path("back/link")).unwrap().to_str(), Some("b.txt"));
    served.ok(&["get", "/t/b.txt", "single"]);
    assert_eq!(sandbox.read("single"), b"beta\n");
    served.run(&["get", "/t/b.txt", "single"]).expect(15);

    std::fs::remove_file(sandbox.path("tree/b.txt")).unwrap();
    served.ok(&["put", "--mirror", "tree", "/t"]);
    served.run(&["cat", "/t/b.txt"]).expect(10);
    served.ok(&["mv", "/t/docs", "/moved"]);
    served.ok(&["cp", "/moved/a.txt", "/t/"]);
    assert_eq!(served.ok(&["cat", "/t/a.txt"]), "alpha\n");
    served.ok(&["rm", "-r", "/moved", "/t/link"]);
    assert_eq!(served.ok(&["ls", "-r", "/"]), "/t\n/t/a.txt\n");
    let fed = served.sandbox.command(&["put", "-", "/piped", "--server", &served.url]);
    let mut fed = { fed }.env("AEORDB_API_KEY", &served.key).stdin(Stdio::piped()).spawn().unwrap();
    fed.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert!(fed.wait().unwrap().success());
    assert_eq!(served.ok(&["cat", "/piped"]), "from a pipe");
}

#[test]
fn backups_travel_between_servers() {
    let (a, b) = (Sandbox::with_v2(), Sandbox::new());
    let (source, target) = (Served::start(&a, ""), Served::start(&b, ""));
    let full = b.path("full.aeordb");
    let patch = b.path("patch.aeordb");
    let (full, patch) = (full.to_str().unwrap(), patch.to_str().unwrap());
    let export = source.ok(&["export", "--output", full, "--snapshot", "v1"]);
    let on_file = a.ok(&["export", "--output", "here.aeordb", "--snapshot", "v1"]);
    assert_eq!(export, on_file);
    let diff = source.ok(&["diff", "--output", patch, "--from", "v1", "--to", "v2"]);
    let on_file = a.ok(&["diff", "--output", "patch.aeordb", "--from", "v1", "--to", "v2"]);
    assert_eq!(diff, on_file);
    target.run(&["import", "--file", patch]).expect(13);
    let imported = target.ok(&["import", "--file", full, "--promote"]);
    assert!(imported.starts_with("Full export imported.\n"), "{imported}");
    assert!(imported.ends_with("HEAD has been promoted.\n"), "{imported}");
    let imported = target.ok(&["import", "--file", patch, "--snapshot", "v2"]);
    let version = line(&imported, "Version").to_owned();
    assert!(imported.contains("HEAD has NOT been changed.\n"), "{imported}");
    target.run(&["promote", "--hash", &version, "--expect", "v2"]).expect(13);
    target.ok(&["promote", "--hash", &version, "--expect", "HEAD"]);
    assert_eq!(target.ok(&["ls", "-r", "/"]), source.ok(&["ls", "-r", "/"]));
    let verified = target.ok(&["verify", "--deep"]);
    assert!(verified.starts_with("No damage found.\n"), "{verified}");
    assert!(target.ok(&["gc"]).starts_with("Collection complete.\n"));
    assert!(target.ok(&["snapshot", "delete", "v2"]).starts_with("Snapshot deleted.\n"));
}

#[test]
fn keys_are_made_on_the_file_and_through_the_server_that_holds_it() {
    let sandbox = Sandbox::new();
    let key = sandbox.ok(&["key", "create", "--name", "ops", "--scope", "keys,read"]);
    let key = key.trim().to_owned();
    let served = Served::start(&sandbox, &key);
    assert_eq!(served.key, key);
    // The file is held, and the error says what helps.
    let held = sandbox.run(&["key", "create", "--name", "x", "--scope", "read"]);
    held.refused(11, "is being written by", "--server URL");
    let made =
        served.run(&["key", "create", "--name", "reader", "--scope", "read", "--expires", "90d"]);
    let reader = made.expect(0).out().trim().to_owned();
    let id = reader.split('_').nth(1).unwrap();
    let list = served.ok(&["key", "list"]);
    assert_eq!(list.lines().count(), 2);
    assert!(list.contains(id) && !list.contains(&reader), "{list}");
    let with = |key: &str| {
        let arguments = ["ls", "/", "--server", served.url.as_str()];
        let output = sandbox.command(&arguments).env("AEORDB_API_KEY", key).output().unwrap();
        Run::new(&arguments, output)
    };
    with(&reader).expect(0);
    served.ok(&["key", "revoke", id]);
    with(&reader).refused(12, "a valid key is needed", "AEORDB_API_KEY");
    with("").refused(12, "AEORDB_API_KEY is not set", "AEORDB_API_KEY");
    served.run(&["gc"]).refused(12, "needs the scope gc", "AEORDB_API_KEY");
}

/// Every put that was acknowledged is there after the server was killed, whatever it was doing.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let sandbox = Sandbox::new();
    let mut key = String::new();
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..5 {
        let mut served = Served::start(&sandbox, &key);
        key = served.key.clone();
        let address = served.address().to_owned();
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (address, key) = (address.clone(), key.clone());
                std::thread::spawn(move || put_until_cut(&address, &key, round, client))
            })
            .collect();
        // Killed once there is something to lose, in the middle of more.
        let watched = format!("/r{round}/c0/{}", 10 * (round + 1));
        while served.run(&["ls", &watched]).code != 0 {}
        served.signal(Signal::SIGKILL);
        for client in clients {
            acknowledged.extend(client.join().unwrap());
        }
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert!(sandbox.ok(&["verify", "--deep"]).starts_with("No damage found.\n"));
    for (path, content) in &acknowledged {
        assert_eq!(&sandbox.ok(&["cat", path]), content, "{path}");
    }
}

/// Puts one file after another until the connection ends; returns those that were acknowledged.
fn put_until_cut(address: &str, key: &str, round: usize, client: usize) -> Vec<(String, String)> {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let (path, content) = (format!("/r{round}/c{client}/{n}"), format!("{round} {client} {n}"));
        let request = format!(
            "PUT /files{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-length: {}\r\n\r\n{content}",
            content.len()
        );
        let mut reply = [0; 4096];
        let sent = stream.write_all(request.as_bytes());
        match sent.and_then(|()| stream.read(&mut reply)) {
            Ok(read) if reply[..read].starts_with(b"HTTP/1.1 201") => {
                acknowledged.push((path, content));
            }
            _ => break,
        }
    }
    acknowledged
}

#[test]
fn a_server_with_a_certificate_speaks_tls_and_reads_a_new_one_on_sighup() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "tls.conf",
        "[req]\ndistinguished_name = name\nx509_extensions = v3\n[name]\n\
         [v3]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:localhost\n",
    );
    let make = |name: &str| {
        let status = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-config", "tls.conf"])
            .current_dir(sandbox.path(""))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    };
    make("first");
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "key.pem",
        "--log",
        "errors",
        "--json",
    ];
    let mut child = sandbox.at_a_terminal(&arguments).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let url = started["url"].as_str().unwrap().replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://"), "{url}");
    let key = started["key"].as_str().unwrap().to_owned();
    let served = Served { sandbox: &sandbox, child, url, key };
    let trusting = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--server", &served.url]);
        let mut command = sandbox.command(&all);
        command.env("AEORDB_API_KEY", &served.key).env("SSL_CERT_FILE", sandbox.path("cert.pem"));
        Run::new(&all, command.output().unwrap())
    };
    trusting(&["ls", "/"]).expect(0);
    // Nobody else signed it.
    let other = served.sandbox.command(&["ls", "/", "--server", &served.url]);
    let output = { other }.env("AEORDB_API_KEY", &served.key).output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    make("second");
    kill(Pid::from_raw(i32::try_from(served.child.id()).unwrap()), Signal::SIGHUP).unwrap();
    while trusting(&["ls", "/"]).code != 0 {}
}
