//! A directory of its own with the program in reach.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary directory in which `aeordb` is run.
pub struct Sandbox {
    directory: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub bytes: Vec<u8>,
    pub err: String,
    command: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Sandbox { directory: tempfile::tempdir().unwrap() }
    }

    /// A sandbox with a database whose HEAD holds `/docs/a.txt`, `/docs/b.txt` and `/top.txt`, named
    /// `v1`; the same files lie in `tree`.
    pub fn with_v1() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("tree/docs/a.txt", "alpha\n");
        sandbox.write("tree/docs/b.txt", "beta\n");
        sandbox.write("tree/top.txt", "top\n");
        sandbox.ok(&["put", "tree", "/"]);
        sandbox.ok(&["snapshot", "create", "v1"]);
        sandbox
    }

    /// A sandbox with `v1`, and HEAD one change of every sort later, named `v2`.
    pub fn with_v2() -> Self {
        let sandbox = Sandbox::with_v1();
        sandbox.write("tree/docs/a.txt", "alpha, changed\n");
        sandbox.write("tree/docs/new.txt", "new\n");
        fs::remove_file(sandbox.path("tree/top.txt")).unwrap();
        sandbox.ok(&["put", "--mirror", "tree", "/"]);
        sandbox.ok(&["snapshot", "create", "v2"]);
        sandbox
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What is left of the directory, without what the program may keep for itself.
    pub fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "cache").collect();
        names.sort();
        names
    }

    /// The program, ready to be run here.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.started(Command::new(env!("CARGO_BIN_EXE_aeordb")), arguments)
    }

    /// The program with the signals that a terminal gives it: whoever runs the tests in the background
    /// or under `nohup` has some of them ignored, and so has what they start.
    pub fn at_a_terminal<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut env = Command::new("env");
        env.args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_aeordb")]);
        self.started(env, arguments)
    }

    fn started<S: AsRef<OsStr>>(&self, mut command: Command, arguments: &[S]) -> Command {
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("AEORDB_DATABASE")
            .env_remove("AEORDB_SERVER")
            .env_remove("AEORDB_API_KEY")
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program by way of another, which is given it and its arguments.
    pub fn run_through<S: AsRef<OsStr>>(&self, other: &[&str], arguments: &[S]) -> Run {
        let own = self.command(arguments);
        let mut command = Command::new(other[0]);
        command.args(&other[1..]).arg(own.get_program()).args(own.get_args());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.current_dir(self.directory.path()).stdin(Stdio::null()).output();
        Run::new(arguments, output.unwrap())
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run::new(arguments, output)
    }

    /// Runs the program with `input` at its standard input.
    pub fn feed<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Run {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || {
            // A program that refuses its input closes the pipe.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Run::new(arguments, output)
    }

    /// Runs the program, which must succeed, and returns what it printed.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        self.run(arguments).expect(0).out()
    }

    /// Runs the program with `--json`, which must succeed with one object.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = self.json_lines(arguments);
        assert_eq!(all.len(), 1, "{arguments:?} printed {all:?}");
        all.remove(0)
    }

    /// Runs the program with `--json`, which must succeed with an object a line.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.ok(&[arguments, &["--json"]].concat());
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The hash of a version.
    pub fn version(&self, name: &str) -> String {
        self.json(&["stat", "/", "--at", name])["version"].as_str().unwrap().to_owned()
    }

    /// HEAD of a database of any name.
    pub fn head_of(&self, database: &str) -> String {
        self.json(&["stat", "/", "-d", database])["version"].as_str().unwrap().to_owned()
    }
}

impl Run {
    pub fn new<S: AsRef<OsStr>>(arguments: &[S], output: Output) -> Self {
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        Run {
            code: output.status.code().unwrap_or(-1),
            bytes: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
            command: format!("aeordb {}", words.join(" ")),
        }
    }

    /// Checks the exit code; that nothing panicked goes with it.
    pub fn expect(self, code: i32) -> Self {
        let Run { command, err, .. } = &self;
        assert_eq!(self.code, code, "{command}\n{}{err}", String::from_utf8_lossy(&self.bytes));
        assert!(!err.contains("panicked"), "{command}\n{err}");
        self
    }

    /// Checks an error: its exit code, what it names, what hint it gives, and that no data came.
    pub fn refused(self, code: i32, names: &str, hints: &str) -> Self {
        let run = self.expect(code);
        let Run { command, err, bytes, .. } = &run;
        assert!(bytes.is_empty(), "{command} printed data");
        let error = err.lines().find(|line| line.starts_with("aeordb: "));
        assert!(error.is_some_and(|line| line.contains(names)), "{command}\n{err}");
        let hint = err.lines().find(|line| line.starts_with("hint: "));
        assert!(hint.is_some_and(|line| line.contains(hints)), "{command}\n{err}");
        run
    }

    pub fn out(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.out().lines().map(str::to_owned).collect()
    }
}

/// The value of an indented line of a report.
pub fn line<'a>(report: &'a str, label: &str) -> &'a str {
    let start = format!("  {label}: ");
    report
        .lines()
        .find_map(|line| line.strip_prefix(start.as_str()))
        .unwrap_or_else(|| panic!("no {label} in\n{report}"))
}

/// The number in an indented line of a report.
pub fn number(report: &str, label: &str) -> u64 {
    line(report, label).parse().unwrap()
}
