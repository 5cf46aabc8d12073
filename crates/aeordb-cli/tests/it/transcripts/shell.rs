//! One shell in an empty directory of its own, which runs one command after another.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// Ends the output of a command; nothing prints this by itself.
const END: &str = "\u{1}end";

pub struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _directory: TempDir,
}

impl Shell {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        let sandbox = directory.path().join("sandbox");
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&sandbox).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_aeordb"));
        let programs = std::env::var("PATH").unwrap();
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(sandbox)
            .env_clear()
            .env("PATH", format!("{}:{programs}", program.parent().unwrap().display()))
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut shell = Shell { child, input, output, _directory: directory };
        // What a document started in the background ends with it.
        shell.run("exec 2>&1; umask 022; trap 'kill $(jobs -p) 2>&-' EXIT");
        shell
    }

    /// Runs a command: its exit code, and what it printed.
    pub fn run(&mut self, command: &str) -> (i32, String) {
        // The command has no input of its own: it must not read the commands after it. The
        // code is handed on, for `echo $?`.
        let code = "__code=$?; printf '\\001end%d\\n' $__code; (exit $__code)";
        writeln!(self.input.as_mut().unwrap(), "{{ {command}\n}} </dev/null\n{code}").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                panic!("the shell ended: $ {command}\n{printed}");
            }
            if let Some((before, code)) = line.split_once(END) {
                printed.push_str(before);
                return (code.trim_end().parse().unwrap(), printed);
            }
            printed.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
