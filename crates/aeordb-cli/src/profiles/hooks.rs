//! Programs that run before and after.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use aeordb::error::Context;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::interrupt;

/// How often it is asked whether a program has ended.
const ASKING: Duration = Duration::from_millis(20);

/// Runs a program to its end. What it prints goes to standard error. When the run is to stop, it is
/// asked to end, and waited for.
pub fn run(
    which: &str,
    words: &[String],
    told: &[(&str, String)],
    monitor: &Monitor,
) -> Result<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let what = || format!("starting {program}, the hook `{which}`");
    let out = io::stderr().as_fd().try_clone_to_owned().context(what)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(out);
    command.envs(told.iter().map(|(name, value)| (name, value)));
    let mut child = interrupt::spawn(&mut command).context(what)?;
    let mut asked = false;
    let status = loop {
        if let Some(status) = child.try_wait().context(what)? {
            break status;
        }
        if monitor.check().is_err() && !asked {
            asked = true;
            // A process of ours that has not been waited for keeps its number.
            if let Ok(pid) = i32::try_from(child.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        std::thread::park_timeout(ASKING);
    };
    if which == "before" {
        monitor.check()?;
    }
    match status.success() {
        true => Ok(()),
        false => Err(failed(which, program, status)),
    }
}

fn failed(which: &str, program: &str, status: ExitStatus) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".into(),
    };
    Error::Io {
        what: format!("the hook `{which}`"),
        source: io::Error::other(format!("{program} {how}")),
    }
}
