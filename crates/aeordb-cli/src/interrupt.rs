//! Ctrl-C, SIGTERM and a terminal that is closed stop a long verb at its next safe point; a second
//! signal stops the program at once. A hang-up that `nohup` has the program ignore stays ignored.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use aeordb::error::Context;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_server::hang_up;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::exit;

/// A limit on the size of files is an error of the write that meets it, not the end of the process.
pub fn survive_size_limit() -> Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default())
        .map(drop)
        .context(|| "cannot listen for signals".into())
}

/// Cancels `watch` on the first signal, ends the process on the second.
pub fn cancel_on_signal(watch: &Arc<Watch>) -> Result<()> {
    let hang_up = (!hang_up::is_ignored()).then_some(SIGHUP);
    let signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hang_up));
    let mut signals = signals.context(|| "cannot listen for signals".into())?;
    let watch = Arc::clone(watch);
    std::thread::spawn(move || {
        for (earlier, _) in signals.forever().enumerate() {
            if earlier > 0 {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
            watch.cancel();
        }
    });
    Ok(())
}

/// A pipe that ends with [`Error::Interrupted`] when the verb is to stop, also while nothing comes.
pub struct Pipe {
    file: File,
    watch: Arc<Watch>,
}

/// How long a cancelled verb may still wait for input.
const WAIT_MILLISECONDS: u16 = 100;

impl Pipe {
    /// What comes out of `end`.
    pub fn new(end: OwnedFd, watch: &Arc<Watch>) -> Self {
        Pipe { file: File::from(end), watch: Arc::clone(watch) }
    }

    /// The standard input of this process.
    pub fn stdin(watch: &Arc<Watch>) -> Result<Self> {
        let input = io::stdin();
        let input = input.as_fd().try_clone_to_owned();
        Ok(Pipe::new(input.context(|| "cannot open standard input".into())?, watch))
    }

    /// What comes from the FIFO at `path`, which may have no writer yet; `None` if it is none.
    pub fn fifo(path: &Path, watch: &Arc<Watch>) -> Result<Option<Self>> {
        if !fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Ok(None);
        }
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = opened.context(|| format!("opening {}", path.display()))?;
        Ok(Some(Pipe { file, watch: Arc::clone(watch) }))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.watch.check().map_err(|error: Error| io::Error::other(error))?;
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
