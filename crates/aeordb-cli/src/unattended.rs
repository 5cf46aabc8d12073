//! What a verb is told that nobody sits beside: how long it waits, what it says of itself meanwhile, and
//! how much of the machine and of the line it takes.

use std::sync::Arc;
use std::time::Duration;

use aeordb::db::{Compression, LockWait, Options};
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use aeordb_api::command::Warning;
use clap::Args;

use crate::args::Global;
use crate::out::Out;
use crate::text;

const HEADING: &str = "Options of every command";

/// What holds for every verb.
#[derive(Args, Debug, Clone)]
pub struct Unattended {
    /// Wait so long for another process that writes, such as 30s, 10m or 2h, instead of failing
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration)]
    #[arg(global = true, help_heading = HEADING)]
    pub lock_wait: Option<Duration>,
    /// How progress is shown: a bar on a terminal, or lines of JSON on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value = "bar")]
    #[arg(global = true, help_heading = HEADING)]
    pub progress: Progress,
    /// Send no more bytes a second to a server than this, such as 500K or 2M
    #[arg(long, value_name = "RATE", value_parser = rate)]
    #[arg(global = true, help_heading = HEADING)]
    pub limit_upload: Option<u64>,
    /// Use so many threads for the work; one for each core if not given
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    #[arg(global = true, help_heading = HEADING)]
    pub jobs: Option<u16>,
    /// How hard the verb compresses, if it takes a level.
    #[arg(skip)]
    pub compression: Compression,
}

/// How progress is shown.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    // Without help of their own: that would have help in two lengths.
    Bar,
    Json,
}

/// How hard blocks are compressed.
#[derive(Args, Debug, Clone, Copy, Default)]
pub struct Level {
    /// Compress with this level of zstd, 1 to 22; versions are the same whatever it is
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(1..=22))]
    pub compression: Option<i32>,
}

impl Level {
    /// Has the databases that a verb opens compress so.
    pub fn set(self, global: &mut Global) -> Result<()> {
        if let Some(level) = self.compression {
            global.unattended.compression = Compression::level(level)?;
        }
        Ok(())
    }

    /// A level cannot be chosen where a server compresses.
    pub fn refuse(self, verb: &str) -> Result<()> {
        match self.compression {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!(
                "--compression: a server compresses as it does; {verb} takes a level on a file \
                 of this machine alone"
            ))),
        }
    }
}

impl Global {
    /// How databases are opened, by a verb that is watched or not.
    pub fn options(&self, monitor: Option<&Arc<Monitor>>) -> Options {
        let Unattended { lock_wait, jobs, compression, .. } = self.unattended;
        let told = if self.json { told_as_json } else { told };
        let monitor = monitor.cloned();
        Options {
            workers: jobs.map_or(0, usize::from),
            compression,
            lock_wait: lock_wait.map(|wait_max| LockWait { wait_max, told, monitor }),
            ..Options::default()
        }
    }
}

/// Says why a verb waits.
fn told(why: &Error, wait_max: Duration) {
    if let Ok(mut out) = Out::standard() {
        out.message(&format!("aeordb: {}", waiting(why, wait_max)));
    }
}

fn told_as_json(why: &Error, wait_max: Duration) {
    if let Ok(mut out) = Out::standard() {
        let (kind, detail) = ("warning".into(), waiting(why, wait_max));
        out.json_message(&Warning { kind, detail });
    }
}

fn waiting(why: &Error, wait_max: Duration) -> String {
    format!("waiting up to {}: {why}", text::duration(wait_max))
}

/// Bytes a second.
fn rate(text: &str) -> std::result::Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match text::parse_size(number)? {
        0 => Err("nothing could be sent at this rate".into()),
        rate => Ok(rate),
    }
}
