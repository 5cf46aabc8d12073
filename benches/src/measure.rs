//! Runs one command as a whole process and measures it.
//!
//! CPU seconds and peak memory come from `wait4`, so they hold for the child
//! and every descendant it waited for: a pipeline is measured as the shell
//! that runs it. Peak memory is that of the largest single process; the kernel
//! counts the memory that this program had at the moment of the spawn as a
//! floor, so this program keeps itself small.

use crate::error::{Doing, Error, Outcome};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wait4::Wait4;

/// One measured run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Seconds from before the spawn to after the exit.
    pub wall: f64,
    /// User and system seconds of the process and its descendants.
    pub cpu: f64,
    /// Resident bytes of the largest process at its peak.
    pub peak: u64,
    /// Bytes stored, added or written, where the step has such a number.
    pub bytes: Option<u64>,
}

/// A command line with its surroundings.
#[derive(Clone, Debug)]
pub struct Call {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
}

impl Call {
    /// A command without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), env: Vec::new(), dir: None }
    }

    /// A shell script that stops at the first failure; what `arg` adds to it
    /// is `$1`, `$2` ... there.
    pub fn script(text: &str) -> Self {
        Self::new("bash").arg("-c").arg(format!("set -euo pipefail\n{text}")).arg("bench")
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().cloned()).stdin(Stdio::null());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// The standard output of a run that succeeded, unmeasured.
    pub fn read(&self) -> Outcome<String> {
        let output = self.command().output().doing("cannot run", Path::new(&self.program))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Error::new(format!("{self} failed: {}", said.trim())))
        }
    }

    /// Runs the command to its end, its output in the file `log`; fails when
    /// the command does, or when it takes longer than `limit`.
    pub fn measure(&self, log: &Path, limit: Duration) -> Outcome<Sample> {
        use std::os::unix::process::CommandExt;

        let out = File::create(log).doing("cannot write", log)?;
        let err = out.try_clone().doing("cannot write", log)?;
        let mut command = self.command();
        command.stdout(out).stderr(err).process_group(0);

        let start = Instant::now();
        let child = command.spawn().doing("cannot run", Path::new(&self.program))?;
        let watch = Watch::over(child.id(), limit);
        let used = child.wait4().doing("cannot wait for", Path::new(&self.program))?;
        let wall = start.elapsed();
        let late = watch.end();

        if late {
            return Err(Error::new(format!(
                "{self} took longer than {} s and was stopped",
                limit.as_secs()
            )));
        }
        if !used.status.success() {
            return Err(Error::new(format!("{self}: {}\n{}", used.status, tail(log))));
        }
        Ok(Sample {
            wall: wall.as_secs_f64(),
            cpu: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
            peak: used.rusage.maxrss,
            bytes: None,
        })
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        for arg in &self.args {
            write!(f, " {}", arg.to_string_lossy())?;
        }
        Ok(())
    }
}

/// Stops a process group that outlives its limit.
struct Watch {
    ended: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watch {
    fn over(group: u32, limit: Duration) -> Self {
        let (ended, end) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let late = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                // The outcome is the exit status of the group, read elsewhere.
                let _ = Command::new("kill")
                    .args(["-KILL", "--", &format!("-{group}")])
                    .stderr(Stdio::null())
                    .status();
            }
            late
        });
        Self { ended, thread }
    }

    fn end(self) -> bool {
        drop(self.ended);
        self.thread.join().unwrap_or(false)
    }
}

/// The last lines that a command printed.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    lines.join("\n")
}

/// The middle value; of an even number, the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_pipeline_is_measured_whole() -> Outcome<()> {
        let log = std::env::temp_dir().join(format!("aeordb-bench-{}", std::process::id()));
        let call = Call::script("head -c 50000000 /dev/zero | cksum | cat");
        let sample = call.measure(&log, Duration::from_mins(1))?;
        assert!(sample.cpu > 0.001, "{sample:?}");
        assert!(sample.peak > 0, "{sample:?}");
        fs::remove_file(&log).doing("cannot remove", &log)
    }

    #[test]
    fn a_command_that_fails_or_hangs_is_an_error() -> Outcome<()> {
        let log = std::env::temp_dir().join(format!("aeordb-bench-f{}", std::process::id()));
        let limit = Duration::from_millis(200);
        let failed = Call::script("echo no room; exit 3").measure(&log, limit);
        assert!(failed.is_err_and(|e| e.to_string().contains("no room")));
        let late = Call::script("sleep 30").measure(&log, limit);
        assert!(late.is_err_and(|e| e.to_string().contains("longer than")));
        fs::remove_file(&log).doing("cannot remove", &log)
    }
}
