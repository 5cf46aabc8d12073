//! Ctrl-C, SIGTERM and a terminal that is closed stop a long verb at its next safe point; a second
//! signal stops the program at once. A hang-up that `nohup` has the program ignore stays ignored.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aeordb::error::Context;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use aeordb_server::hang_up;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::{exit, remote};

/// A limit on the size of files is an error of the write that meets it, not the end of the process; nor
/// is it the end when somebody asks how far a verb is that has nothing to say.
pub fn survive() -> Result<()> {
    for signal in [SIGXFSZ, SIGUSR1] {
        let registered = signal_hook::flag::register(signal, Arc::default());
        registered.map(drop).context(|| "cannot listen for signals".into())?;
    }
    Ok(())
}

/// How long a verb that need not be waited for may still come to its end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a server may still say nothing.
const SILENCE: Duration = Duration::from_secs(4);
/// How often it is asked whether it need not be waited for.
const ASKING: Duration = Duration::from_millis(100);

/// Cancels `monitor` on the first signal, ends the process on the second. A verb that does not come to a
/// safe point, because what it reads, or a server, does not answer, is given up as soon as that loses
/// nothing: then
/// `last_words` are said and the process ends. SIGUSR1 has `tell` say how far it is.
pub fn cancel_on_signal(
    monitor: &Arc<Monitor>,
    tell: impl Fn() + Send + 'static,
    last_words: impl FnOnce() + Send + 'static,
) -> Result<()> {
    let hang_up = (!hang_up::is_ignored()).then_some(SIGHUP);
    let signals = Signals::new([SIGINT, SIGTERM, SIGUSR1].into_iter().chain(hang_up));
    let mut signals = signals.context(|| "cannot listen for signals".into())?;
    let monitor = Arc::clone(monitor);
    // A thread that waits within the system for what does not answer takes a signal and does nothing
    // with it: none is to have any but the one that waits for them.
    let all = taken();
    all.thread_block().context(|| "cannot listen for signals".into())?;
    let mut last_words = Some(last_words);
    thread::spawn(move || {
        let _ = all.thread_unblock();
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                tell();
                continue;
            }
            let Some(last_words) = last_words.take() else {
                std::process::exit(i32::from(exit::INTERRUPTED));
            };
            monitor.cancel();
            let monitor = Arc::clone(&monitor);
            thread::spawn(move || {
                thread::park_timeout(PATIENCE);
                remote::stop();
                let mut silence = Silence::default();
                while !silence.is_too_long() && !monitor.give_up() {
                    thread::park_timeout(ASKING);
                }
                last_words();
                std::process::exit(i32::from(exit::INTERRUPTED));
            });
        }
    });
    Ok(())
}

/// A wait for a server, as long as nothing comes from it.
#[derive(Default)]
struct Silence {
    wait: Option<(u64, Instant)>,
}

impl Silence {
    /// True if the same wait has gone on for too long.
    fn is_too_long(&mut self) -> bool {
        let now = Instant::now();
        self.wait = aeordb_client::waiting().map(|number| match self.wait {
            Some((same, since)) if same == number => (number, since),
            _ => (number, now),
        });
        self.wait.is_some_and(|(_, since)| now.duration_since(since) >= SILENCE)
    }
}

/// The signals that one thread takes.
fn taken() -> SigSet {
    SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1])
}

/// Starts a program that has the signals which nobody here takes but the one thread.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let had = taken().thread_swap_mask(SigmaskHow::SIG_UNBLOCK)?;
    let child = command.spawn();
    had.thread_set_mask()?;
    child
}

/// A pipe that ends with [`Error::Interrupted`] when the verb is to stop, also while nothing comes.
pub struct Pipe {
    file: File,
    monitor: Arc<Monitor>,
}

/// How long a cancelled verb may still wait for input.
const WAIT_MILLISECONDS: u16 = 100;

impl Pipe {
    /// What comes out of `end`.
    pub fn new(end: OwnedFd, monitor: &Arc<Monitor>) -> Self {
        Pipe { file: File::from(end), monitor: Arc::clone(monitor) }
    }

    /// The standard input of this process.
    pub fn stdin(monitor: &Arc<Monitor>) -> Result<Self> {
        let input = io::stdin();
        let input = input.as_fd().try_clone_to_owned();
        Ok(Pipe::new(input.context(|| "cannot open standard input".into())?, monitor))
    }

    /// What comes from the FIFO at `path`, which may have no writer yet; `None` if it is none.
    pub fn fifo(path: &Path, monitor: &Arc<Monitor>) -> Result<Option<Self>> {
        if !fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Ok(None);
        }
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = opened.context(|| format!("opening {}", path.display()))?;
        Ok(Some(Pipe { file, monitor: Arc::clone(monitor) }))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.monitor.check().map_err(|error: Error| io::Error::other(error))?;
            let mut waited = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waited, PollTimeout::from(WAIT_MILLISECONDS)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => match self.file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                },
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
