//! Runs a program and stops it at its system calls. The kernel's filter stops at those of
//! [`KINDS`] alone, so everything else runs at full speed; all threads share one sequence.
//!
//! Nothing here needs `unsafe`: this program runs itself as `traced PROGRAM ARGUMENTS…`, asks to
//! be traced, puts up the filter, and becomes the program.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};

use crate::calls::{self, Class, Form, KINDS, Kind};
use crate::error::{Doing, Error, Outcome};
use crate::registers::Registers;

/// The word by which this program is told to become a traced one.
pub const TRACED: &str = "traced";
/// The longest that a traced program may take: it hangs otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// A system call that is about to be made, or was made.
pub struct Call {
    pub kind: &'static Kind,
    pub arguments: [u64; 6],
    /// What its descriptor is, if it has one.
    pub file: Option<Target>,
    thread: Pid,
}

/// Bytes of memory that are read at once; no page is smaller.
const PAGE_LEN: usize = 4096;
/// The longest path that a call can name.
const PATH_LEN_MAX: usize = 4096;

impl Call {
    /// The thread that makes it.
    pub fn thread(&self) -> i32 {
        self.thread.as_raw()
    }

    /// Bytes of the program's memory: what a call is about to write.
    pub fn memory(&self, address: u64, len: u64) -> Outcome<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).doing("too much to write at once")?];
        self.open_memory()?
            .read_exact_at(&mut bytes, address)
            .doing("cannot read the memory of a traced program")?;
        Ok(bytes)
    }

    /// A path in the program's memory.
    pub fn path_at(&self, address: u64) -> Outcome<PathBuf> {
        let memory = self.open_memory()?;
        let mut path = Vec::new();
        let mut page = [0; PAGE_LEN];
        while path.len() < PATH_LEN_MAX {
            // The page after the one that it ends in may not be there.
            let at = address + path.len() as u64;
            let len = PAGE_LEN - usize::try_from(at % PAGE_LEN as u64).unwrap_or_default();
            let what = "cannot read a path of a traced program";
            memory.read_exact_at(&mut page[..len], at).doing(what)?;
            let end = page[..len].iter().position(|byte| *byte == 0);
            path.extend_from_slice(&page[..end.unwrap_or(len)]);
            if end.is_some() {
                return Ok(PathBuf::from(OsStr::from_bytes(&path)));
            }
        }
        Err(Error::new("a traced program names a path without an end"))
    }

    /// Where the file behind a descriptor is.
    pub fn path_of(&self, descriptor: u64) -> Option<PathBuf> {
        fs::read_link(self.entry("fd", descriptor)).ok()
    }

    /// The file behind a descriptor.
    pub fn metadata_of(&self, descriptor: u64) -> Outcome<Metadata> {
        fs::metadata(self.entry("fd", descriptor)).doing("cannot look at a file of a program")
    }

    /// Where the next write to a descriptor goes.
    pub fn position_of(&self, descriptor: u64) -> Outcome<u64> {
        let what = "cannot tell where a program writes";
        let info = fs::read_to_string(self.entry("fdinfo", descriptor)).doing(what)?;
        let position = info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok());
        position.ok_or_else(|| Error::new(what))
    }

    fn open_memory(&self) -> Outcome<File> {
        let memory = format!("/proc/{}/mem", self.thread);
        File::open(memory).doing("cannot open the memory of a traced program")
    }

    fn entry(&self, of: &str, descriptor: u64) -> String {
        format!("/proc/{}/{of}/{descriptor}", self.thread)
    }
}

/// The file behind a descriptor.
pub struct Target {
    pub path: PathBuf,
    is_file: bool,
}

impl Target {
    fn of(thread: Pid, descriptor: u64) -> Option<Target> {
        let link = format!("/proc/{thread}/fd/{descriptor}");
        let path = fs::read_link(&link).ok()?;
        let is_file = fs::metadata(&link).ok()?.is_file();
        Some(Target { path, is_file })
    }

    /// True if it is a file of the system, as every program reads some.
    fn is_of_the_system(&self) -> bool {
        let system = ["/proc", "/sys", "/dev", "/etc", "/usr", "/lib"];
        system.iter().any(|directory| self.path.starts_with(directory)) || !self.is_file
    }
}

/// What is to become of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is made.
    Go,
    /// The program is killed instead.
    KillBefore,
    /// The program is killed as soon as it is made.
    KillAfter,
    /// Only half of its bytes are transferred, then the program is killed.
    KillHalfWay,
    /// It is not made, and returns this error.
    Fail(Errno),
    /// Only half of its bytes are transferred.
    Short,
    /// It is made, and the watcher is told what came of it.
    Tell,
}

/// Decides over calls.
pub trait Watcher {
    /// A call is about to be made.
    fn about_to(&mut self, call: &Call) -> Outcome<Verdict>;

    /// A call that it wanted to be told of was made, and returned this.
    fn was_made(&mut self, _call: &Call, _result: i64) -> Outcome<()> {
        Ok(())
    }
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Code(i32),
    Signal(Signal),
    /// It did not end by itself.
    Hung,
}

/// What a traced program does before it becomes one.
pub fn become_traced(mut program: impl Iterator<Item = OsString>) -> Error {
    let attempt = || -> Outcome<Error> {
        let name = program.next().ok_or_else(|| Error::new("traced: no program"))?;
        let rules = KINDS.iter().map(|kind| (kind.number, Vec::new())).collect::<BTreeMap<_, _>>();
        let arch = TargetArch::try_from(std::env::consts::ARCH).doing("cannot make a filter")?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), arch)
            .and_then(seccompiler::BpfProgram::try_from)
            .doing("cannot make a filter")?;
        ptrace::traceme().doing("cannot be traced")?;
        raise(Signal::SIGSTOP).doing("cannot stop")?;
        seccompiler::apply_filter(&filter).doing("cannot put up a filter")?;
        let error = Command::new(&name).args(program).exec();
        Ok(Error::new(format!("cannot run {}: {error}", name.display())))
    };
    attempt().unwrap_or_else(|error| error)
}

/// Runs a program, `make` says how, and shows the watcher its calls.
pub fn run(mut command: Command, watcher: &mut dyn Watcher) -> Outcome<Exit> {
    let child = command.spawn().doing("cannot start a traced program")?;
    let main = Pid::from_raw(child.id().cast_signed());
    let guard = Guard::new(main);
    let mut tracer = Tracer { main, watcher, running: false, told: BTreeMap::new() };
    let exit = tracer.run();
    if exit.is_err() {
        // Whatever is wrong, nothing of it stays.
        let _ = kill(main, Signal::SIGKILL);
        while waitpid(None, Some(WAIT)).is_ok() {}
    }
    match guard.was_needed() {
        true => exit.map(|_| Exit::Hung),
        false => exit,
    }
}

/// Kills a program that does not end.
struct Guard {
    done: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Guard {
    fn new(program: Pid) -> Guard {
        let (done, wait) = channel();
        let thread = std::thread::spawn(move || {
            let late = wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = kill(program, Signal::SIGKILL);
            }
            late
        });
        Guard { done, thread }
    }

    fn was_needed(self) -> bool {
        let _ = self.done.send(());
        self.thread.join().unwrap_or(true)
    }
}

/// Children of this thread alone, and all threads of theirs.
const WAIT: WaitPidFlag = WaitPidFlag::__WALL.union(WaitPidFlag::__WNOTHREAD);

struct Tracer<'a> {
    main: Pid,
    watcher: &'a mut dyn Watcher,
    /// It became the program that is wanted.
    running: bool,
    /// Calls under way of which the watcher is told when they were made, by their threads.
    told: BTreeMap<Pid, Call>,
}

impl Tracer<'_> {
    fn run(&mut self) -> Outcome<Exit> {
        let mut exit = None;
        loop {
            match waitpid(None, Some(WAIT)) {
                Err(Errno::ECHILD) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).doing("cannot wait for a traced program"),
                Ok(WaitStatus::Exited(pid, code)) if pid == self.main => {
                    exit = Some(Exit::Code(code));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.main => {
                    exit = Some(Exit::Signal(signal));
                }
                Ok(status) => self.stopped(status)?,
            }
        }
        exit.ok_or_else(|| Error::new("a traced program got lost"))
    }

    fn stopped(&mut self, status: WaitStatus) -> Outcome<()> {
        match status {
            WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_SECCOMP) if self.running => {
                return self.call(thread);
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                self.running |= event == libc::PTRACE_EVENT_EXEC;
                go_on(thread, None)
            }
            WaitStatus::PtraceSyscall(thread) => return self.made(thread),
            WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP) => {
                if thread == self.main && !self.running {
                    let options = Options::PTRACE_O_TRACESECCOMP
                        | Options::PTRACE_O_TRACECLONE
                        | Options::PTRACE_O_TRACEFORK
                        | Options::PTRACE_O_TRACEVFORK
                        | Options::PTRACE_O_TRACEEXEC
                        | Options::PTRACE_O_EXITKILL
                        | Options::PTRACE_O_TRACESYSGOOD;
                    ptrace::setoptions(thread, options).doing("cannot trace")?;
                }
                go_on(thread, None)
            }
            WaitStatus::Stopped(thread, signal) => go_on(thread, Some(signal)),
            _ => return Ok(()),
        }
        .doing("cannot let a program go on")
    }

    /// A thread has made a call that was waited for.
    fn made(&mut self, thread: Pid) -> Outcome<()> {
        let Some(call) = self.told.remove(&thread) else {
            // It is the one after which the program is to be killed.
            return kill(self.main, Signal::SIGKILL).doing("cannot kill");
        };
        let Ok(registers) = Registers::of(thread) else { return Ok(()) };
        self.watcher.was_made(&call, registers.result())?;
        go_on(thread, None).doing("cannot let a program go on")
    }

    /// A thread is about to make a call.
    fn call(&mut self, thread: Pid) -> Outcome<()> {
        // Another thread's death may have taken this one along.
        let Ok(registers) = Registers::of(thread) else { return Ok(()) };
        let Some(call) = call_of(thread, &registers) else {
            return go_on(thread, None).doing("cannot let a program go on");
        };
        let half = call.arguments[2] / 2;
        let verdict = match self.watcher.about_to(&call)? {
            Verdict::Short | Verdict::KillHalfWay
                if call.kind.form != Form::Buffer || half == 0 =>
            {
                Verdict::Go
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::KillBefore => return kill(self.main, Signal::SIGKILL).doing("cannot kill"),
            Verdict::Fail(error) => registers.fail(error)?,
            Verdict::Short | Verdict::KillHalfWay => registers.shorten(half)?,
            Verdict::Go | Verdict::KillAfter | Verdict::Tell => {}
        }
        if verdict == Verdict::Tell {
            self.told.insert(thread, call);
        }
        match verdict {
            Verdict::KillAfter | Verdict::KillHalfWay | Verdict::Tell => {
                alive(ptrace::syscall(thread, None))
            }
            _ => go_on(thread, None),
        }
        .doing("cannot let a program go on")
    }
}

/// The call that a thread is about to make, if it counts.
fn call_of(thread: Pid, registers: &Registers) -> Option<Call> {
    let kind = calls::known(registers.number())?;
    let arguments = registers.arguments();
    let file = match kind.form {
        Form::Descriptor | Form::Buffer => Target::of(thread, arguments[0]),
        Form::Other => None,
    };
    let counts = match (kind.class, &file) {
        (Class::Read, file) => file.as_ref().is_some_and(|file| !file.is_of_the_system()),
        (Class::Change, Some(file)) => !file.path.to_string_lossy().starts_with("socket:"),
        (Class::Change, None) => {
            !calls::opens(kind.number) || calls::creates(kind.number, &arguments)
        }
    };
    counts.then_some(Call { kind, arguments, file, thread })
}

fn go_on(thread: Pid, signal: Option<Signal>) -> nix::Result<()> {
    alive(ptrace::cont(thread, signal))
}

/// A thread may have been killed meanwhile.
fn alive(result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}
