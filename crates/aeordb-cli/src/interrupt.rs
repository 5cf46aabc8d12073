//! Ctrl-C and SIGTERM stop a long verb at its next safe point; a second one stops the program at
//! once. A hang-up keeps its ordinary meaning, so that `nohup` works.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use aeordb::error::Context;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
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
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).context(|| "cannot listen for signals".into())?;
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
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.watch.check().map_err(|error: Error| io::Error::other(error))?;
            let mut waited = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waited, PollTimeout::from(WAIT_MILLISECONDS)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
