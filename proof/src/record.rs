//! Everything that a program does to the files of one directory, in the order in which it does it:
//! what it writes and when that is made durable.
//!
//! A call that changes a file in another way than is known here is an error: what is not recorded
//! would be missing in every image.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::calls::{self, Class};
use crate::error::{Doing, Error, Outcome};
use crate::sandbox::{ERR, OUT};
use crate::trace::{Call, Verdict, Watcher};

/// A file, whatever its names: its place in [`Recording::files`].
pub type FileId = usize;

/// A change of a file or of the names in the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Write { file: FileId, offset: u64, bytes: Vec<u8> },
    Resize { file: FileId, len: u64 },
    Punch { file: FileId, range: Range<u64> },
    Link { name: String, file: FileId },
    Unlink { name: String },
    Rename { from: String, to: String, file: FileId },
}

impl Change {
    /// The file whose bytes it changes; none if it changes names.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Change::Write { file, .. } | Change::Resize { file, .. } => Some(*file),
            Change::Punch { file, .. } => Some(*file),
            Change::Link { .. } | Change::Unlink { .. } | Change::Rename { .. } => None,
        }
    }
}

/// What is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Change(Change),
    /// All changes of this file, or of the names, that were made before.
    Sync(Option<FileId>),
    /// The next command begins.
    Begins,
    /// The command said that it was done.
    Done,
}

/// A step is under way between two moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Begins(usize),
    Ends(usize),
}

/// What was there at first, and what happened then.
#[derive(Default)]
pub struct Recording {
    pub files: Vec<Vec<u8>>,
    pub names: BTreeMap<String, FileId>,
    pub steps: Vec<Step>,
    /// A step that failed has no end, and changed nothing.
    pub moments: Vec<Moment>,
}

impl Recording {
    fn begin(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.moments.push(Moment::Begins(self.steps.len() - 1));
        self.steps.len() - 1
    }

    /// A step that takes no time.
    pub fn add(&mut self, step: Step) {
        let number = self.begin(step);
        self.moments.push(Moment::Ends(number));
    }

    fn forget(&mut self, step: usize) {
        self.moments.retain(|moment| *moment != Moment::Begins(step));
    }
}

/// Records what one command after the other does.
pub struct Recorder {
    directory: PathBuf,
    pub recording: Recording,
    /// The files by their numbers in the file system.
    files: BTreeMap<u64, FileId>,
    names: BTreeMap<String, FileId>,
    /// Steps under way, by the threads that make them.
    under_way: BTreeMap<i32, usize>,
    done: bool,
}

impl Recorder {
    /// Takes in all files that are in the directory.
    pub fn new(directory: &Path) -> Outcome<Self> {
        let directory = directory.canonicalize().doing_to("cannot resolve", directory)?;
        let mut recorder = Recorder {
            directory,
            recording: Recording::default(),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            under_way: BTreeMap::new(),
            done: false,
        };
        let what = "cannot list";
        for entry in fs::read_dir(&recorder.directory).doing_to(what, &recorder.directory)? {
            let path = entry.doing_to(what, &recorder.directory)?.path();
            let found = fs::metadata(&path).doing_to(what, &path)?;
            if let Some(name) = recorder.name_of(&path).filter(|_| found.is_file()) {
                let bytes = fs::read(&path).doing_to("cannot read", &path)?;
                let file = recorder.new_file(found.ino(), bytes);
                recorder.names.insert(name, file);
            }
        }
        recorder.recording.names = recorder.names.clone();
        Ok(recorder)
    }

    /// The next command begins.
    pub fn begin_command(&mut self) {
        self.done = false;
        self.under_way.clear();
        self.recording.add(Step::Begins);
    }

    /// The command has ended, and all of it is done.
    pub fn end_command(&mut self) {
        self.say_done();
    }

    fn say_done(&mut self) {
        if !std::mem::replace(&mut self.done, true) {
            self.recording.add(Step::Done);
        }
    }

    fn new_file(&mut self, number: u64, bytes: Vec<u8>) -> FileId {
        let file = self.recording.files.len();
        self.recording.files.push(bytes);
        self.files.insert(number, file);
        file
    }

    /// The name of a file that is directly in the directory and that counts.
    fn name_of(&self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let counts = path.parent() == Some(&self.directory) && ![OUT, ERR].contains(&name.as_str());
        counts.then_some(name)
    }

    /// The name that a call gives by a directory and a path; none if it is not in the directory.
    fn name_in(&self, call: &Call, directory: u64, path: u64) -> Outcome<Option<String>> {
        let path = call.path_at(path)?;
        let is_here = word(directory) == libc::AT_FDCWD;
        let above = if is_here { Some(self.directory.clone()) } else { call.path_of(directory) };
        let path: PathBuf = above.unwrap_or_default().join(path).components().collect();
        Ok(self.name_of(&path))
    }

    /// The file behind a descriptor, if it is one of the directory.
    fn file_of(&self, call: &Call, descriptor: u64) -> Outcome<Option<FileId>> {
        let path = call.path_of(descriptor).unwrap_or_default();
        match self.name_of(&path) {
            None => Ok(None),
            Some(_) => Ok(self.files.get(&call.metadata_of(descriptor)?.ino()).copied()),
        }
    }

    /// The file that a call gives a new name; it may be one without a name.
    fn linked(&self, call: &Call, directory: u64, path: u64) -> Outcome<Option<FileId>> {
        let given = call.path_at(path)?;
        let own = Path::new("/proc/self/fd");
        match given.strip_prefix(own).ok().and_then(|number| number.to_str()?.parse().ok()) {
            Some(descriptor) => self.file_of(call, descriptor),
            None => {
                let name = self.name_in(call, directory, path)?;
                Ok(name.and_then(|name| self.names.get(&name).copied()))
            }
        }
    }

    /// What a call is about to do to the directory.
    fn step_of(&self, call: &Call) -> Outcome<Option<Step>> {
        let a = call.arguments;
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        let step = match call.kind.number {
            libc::SYS_write | libc::SYS_pwrite64 => {
                let Some(file) = self.file_of(call, a[0])? else { return Ok(None) };
                let at_position = call.kind.number == libc::SYS_write;
                let offset = if at_position { call.position_of(a[0])? } else { a[3] };
                Change::Write { file, offset, bytes: call.memory(a[1], a[2])? }
            }
            libc::SYS_ftruncate => match self.file_of(call, a[0])? {
                None => return Ok(None),
                Some(file) => Change::Resize { file, len: a[1] },
            },
            libc::SYS_fallocate => match (self.file_of(call, a[0])?, word(a[1])) {
                // Blocks behind the end change no byte.
                (None, _) | (_, libc::FALLOC_FL_KEEP_SIZE) => return Ok(None),
                (Some(file), how) if how & libc::FALLOC_FL_PUNCH_HOLE != 0 => {
                    Change::Punch { file, range: a[2]..a[2] + a[3] }
                }
                _ => return Err(unknown(call)),
            },
            libc::SYS_fsync | libc::SYS_fdatasync => {
                let path = call.path_of(a[0]);
                if path.as_deref() == Some(&self.directory) {
                    return Ok(Some(Step::Sync(None)));
                }
                return Ok(self.file_of(call, a[0])?.map(|file| Step::Sync(Some(file))));
            }
            libc::SYS_link => return self.link(call, [here, a[0]], [here, a[1]]),
            libc::SYS_linkat => return self.link(call, [a[0], a[1]], [a[2], a[3]]),
            libc::SYS_rename => return self.rename(call, [here, a[0]], [here, a[1]]),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                return self.rename(call, [a[0], a[1]], [a[2], a[3]]);
            }
            libc::SYS_unlink => return self.unlink(call, here, a[0]),
            libc::SYS_unlinkat => return self.unlink(call, a[0], a[1]),
            _ => return self.must_not_matter(call),
        };
        Ok(Some(Step::Change(step)))
    }

    fn link(&self, call: &Call, from: [u64; 2], to: [u64; 2]) -> Outcome<Option<Step>> {
        let Some(name) = self.name_in(call, to[0], to[1])? else { return Ok(None) };
        match self.linked(call, from[0], from[1])? {
            Some(file) => Ok(Some(Step::Change(Change::Link { name, file }))),
            None => Err(unknown(call)),
        }
    }

    fn rename(&self, call: &Call, from: [u64; 2], to: [u64; 2]) -> Outcome<Option<Step>> {
        let from = self.name_in(call, from[0], from[1])?;
        let to = self.name_in(call, to[0], to[1])?;
        let (from, to) = match (from, to) {
            (None, None) => return Ok(None),
            (Some(from), Some(to)) => (from, to),
            _ => return Err(unknown(call)),
        };
        // Without the file it fails.
        let file = self.names.get(&from).copied();
        Ok(file.map(|file| Step::Change(Change::Rename { from, to, file })))
    }

    fn unlink(&self, call: &Call, directory: u64, path: u64) -> Outcome<Option<Step>> {
        let name = self.name_in(call, directory, path)?;
        Ok(name.map(|name| Step::Change(Change::Unlink { name })))
    }

    /// Attributes are no part of an image. Everything else that changes a file of the directory
    /// would be missing.
    fn must_not_matter(&self, call: &Call) -> Outcome<Option<Step>> {
        let a = call.arguments;
        let file = match call.kind.number {
            libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 | libc::SYS_sendfile => {
                self.file_of(call, a[0])?
            }
            libc::SYS_copy_file_range => self.file_of(call, a[2])?,
            libc::SYS_truncate | libc::SYS_creat => return Err(unknown(call)),
            _ => None,
        };
        if file.is_some() { Err(unknown(call)) } else { Ok(None) }
    }

    /// A call that opens has made a file, or not.
    fn opened(&mut self, call: &Call, descriptor: u64) -> Outcome<()> {
        let Some(path) = call.path_of(descriptor) else { return Ok(()) };
        let Some(name) = self.name_of(&path) else { return Ok(()) };
        let flags = match call.kind.number {
            libc::SYS_open => word(call.arguments[1]),
            _ => word(call.arguments[2]),
        };
        let has = |flag: libc::c_int| flags & flag == flag;
        let number = call.metadata_of(descriptor)?.ino();
        if has(libc::O_TMPFILE) {
            self.new_file(number, Vec::new());
            return Ok(());
        }
        match self.names.get(&name).copied() {
            None => {
                let file = self.new_file(number, Vec::new());
                self.names.insert(name.clone(), file);
                self.recording.add(Step::Change(Change::Link { name, file }));
            }
            Some(file) if has(libc::O_TRUNC) => {
                self.recording.add(Step::Change(Change::Resize { file, len: 0 }));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A step was made: names lead elsewhere from now on.
    fn name(&mut self, change: &Change) {
        match change {
            Change::Link { name, file } => {
                self.names.insert(name.clone(), *file);
            }
            Change::Unlink { name } => {
                self.names.remove(name);
            }
            Change::Rename { from, to, file } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *file);
            }
            Change::Write { .. } | Change::Resize { .. } | Change::Punch { .. } => {}
        }
    }

    fn says(&self, call: &Call) -> bool {
        let is_write = matches!(call.kind.number, libc::SYS_write | libc::SYS_writev);
        let out = self.directory.join(OUT);
        is_write && call.file.as_ref().is_some_and(|file| file.path == out)
    }
}

impl Watcher for Recorder {
    fn about_to(&mut self, call: &Call) -> Outcome<Verdict> {
        if call.kind.class == Class::Read {
            return Ok(Verdict::Go);
        }
        if self.says(call) {
            self.say_done();
            return Ok(Verdict::Go);
        }
        if calls::opens(call.kind.number) {
            return Ok(Verdict::Tell);
        }
        let Some(step) = self.step_of(call)? else { return Ok(Verdict::Go) };
        let number = self.recording.begin(step);
        self.under_way.insert(call.thread(), number);
        Ok(Verdict::Tell)
    }

    fn was_made(&mut self, call: &Call, result: i64) -> Outcome<()> {
        if calls::opens(call.kind.number) {
            return match u64::try_from(result) {
                Ok(descriptor) => self.opened(call, descriptor),
                Err(_) => Ok(()),
            };
        }
        let Some(number) = self.under_way.remove(&call.thread()) else { return Ok(()) };
        let Ok(result) = usize::try_from(result) else {
            self.recording.forget(number);
            return Ok(());
        };
        self.recording.moments.push(Moment::Ends(number));
        if let Step::Change(change) = &mut self.recording.steps[number] {
            if let Change::Write { bytes, .. } = change {
                bytes.truncate(result);
            }
            let change = change.clone();
            self.name(&change);
        }
        Ok(())
    }
}

/// The lower half of an argument: what is an `int` there.
fn word(argument: u64) -> i32 {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

fn unknown(call: &Call) -> Error {
    let file = call.file.as_ref().map(|file| file.path.display().to_string()).unwrap_or_default();
    Error::new(format!("{} {file} is not known to the recorder", call.kind.name))
}
