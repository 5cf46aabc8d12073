//! A directory in which the program is run, with a cache of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{Doing, Error, Outcome};
use crate::trace::{self, Exit, TRACED, Watcher};

/// Where the program keeps what it knows of local files.
const CACHE: &str = "cache";
/// What a traced program printed.
pub const OUT: &str = "out.txt";
pub const ERR: &str = "err.txt";

/// The program, and a directory to run it in.
#[derive(Clone, Debug)]
pub struct Sandbox {
    program: PathBuf,
    directory: PathBuf,
}

/// How a traced run ended, and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

impl Sandbox {
    /// An empty sandbox; what was there is removed.
    pub fn new(program: &Path, directory: PathBuf) -> Outcome<Sandbox> {
        let sandbox = Sandbox { program: program.to_owned(), directory };
        sandbox.clear()?;
        Ok(sandbox)
    }

    /// Removes everything.
    pub fn clear(&self) -> Outcome<()> {
        if self.directory.exists() {
            remove(&self.directory)?;
        }
        fs::create_dir_all(&self.directory).doing_to("cannot create", &self.directory)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// What is left of the directory, without what a run always leaves.
    pub fn names(&self) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        let entries = fs::read_dir(&self.directory).doing_to("cannot list", &self.directory)?;
        for entry in entries {
            let name = entry.doing_to("cannot list", &self.directory)?.file_name();
            if ![CACHE, OUT, ERR].map(OsStr::new).contains(&name.as_os_str()) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Runs the program to its end, undisturbed.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome<Output> {
        let mut command = Command::new(&self.program);
        self.dress(command.args(arguments)).output().doing_to("cannot run", &self.program)
    }

    /// Runs the program, which must succeed.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome<String> {
        let output = self.run(arguments)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        let (words, said) = (words.join(" "), String::from_utf8_lossy(said));
        Err(Error::new(format!("aeordb {words} ended with {}: {said}", output.status)))
    }

    /// Runs the program and shows the watcher its system calls.
    pub fn trace<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        watcher: &mut dyn Watcher,
    ) -> Outcome<Ran> {
        let open = |name| File::create(self.path(name)).doing_to("cannot create", &self.path(name));
        let read = |name| -> Outcome<String> {
            let bytes = fs::read(self.path(name)).doing_to("cannot read", &self.path(name))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let ourselves = std::env::current_exe().doing("cannot find this program")?;
        let mut command = Command::new(ourselves);
        command.arg(TRACED).arg(&self.program).args(arguments);
        self.dress(&mut command).stdout(open(OUT)?).stderr(open(ERR)?);
        let exit = trace::run(command, watcher)?;
        Ok(Ran { exit, out: read(OUT)?, err: read(ERR)? })
    }

    fn dress<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(&self.directory)
            .env_remove("AEORDB_DATABASE")
            .env_remove("AEORDB_SERVER")
            .env_remove("AEORDB_API_KEY")
            .env("XDG_CACHE_HOME", self.path(CACHE))
            .stdin(Stdio::null())
    }
}

/// Removes a file or a tree.
pub fn remove(path: &Path) -> Outcome<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
    .doing_to("cannot remove", path)
}

/// Copies a file, or a tree of files and links.
pub fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let what = "cannot copy";
    let kind = fs::symlink_metadata(from).doing_to(what, from)?.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(from).doing_to(what, from)?;
        return symlink(target, to).doing_to(what, from);
    }
    if !kind.is_dir() {
        return fs::copy(from, to).map(drop).doing_to(what, from);
    }
    fs::create_dir(to).doing_to(what, from)?;
    for entry in fs::read_dir(from).doing_to(what, from)? {
        let entry = entry.doing_to(what, from)?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
