//! What a command prints, as a source: it counts only if the command succeeds.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aeordb::monitor::Monitor;

use crate::interrupt::{self, Pipe};
use crate::text;

/// How often it is asked whether a command ended that prints nothing more.
const ASKING: Duration = Duration::from_millis(10);

/// The standard output of a command. Its end is an error unless the command succeeded. The command
/// starts when it is first read from, and does not outlive whoever reads.
pub struct Printed {
    words: Vec<OsString>,
    monitor: Arc<Monitor>,
    running: Option<(Child, Pipe)>,
    ended: bool,
}

impl Printed {
    /// What the command of these words prints.
    pub fn new(words: Vec<OsString>, monitor: &Arc<Monitor>) -> Self {
        Printed { words, monitor: Arc::clone(monitor), running: None, ended: false }
    }

    fn name(&self) -> String {
        let word = self.words.first().map(|word| word.to_string_lossy().into_owned());
        text::printable_name(word.unwrap_or_default().as_bytes())
    }

    fn start(&self) -> io::Result<(Child, Pipe)> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        let mut child = interrupt::spawn(command.args(arguments).stdout(Stdio::piped()))?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((child, Pipe::new(output.into(), &self.monitor)))
    }

    /// Waits for the end of a command that prints nothing more.
    fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            self.monitor.check().map_err(io::Error::other)?;
            thread::park_timeout(ASKING);
        }
    }
}

impl Read for Printed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.running.is_none() {
            // That there is no such command must not look as if a path were missing.
            let started = self.start();
            let started = started
                .map_err(|error| io::Error::other(format!("{} not started: {error}", self.name())));
            self.running = Some(started?);
        }
        let Some((mut child, mut pipe)) = self.running.take() else { return Ok(0) };
        let read = pipe.read(buffer);
        if !matches!(read, Ok(0)) || buffer.is_empty() {
            self.running = Some((child, pipe));
            return read;
        }
        let status = self.wait(&mut child);
        if status.is_err() {
            self.running = Some((child, pipe));
        }
        let status = status?;
        if !status.success() {
            let why = format!("{} failed ({status}), nothing was stored", self.name());
            return Err(io::Error::other(why));
        }
        self.ended = true;
        Ok(0)
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        if let Some((mut child, pipe)) = self.running.take() {
            drop(pipe);
            // It may have ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
