//! Structured logs: one JSON object a line on standard error, written by a thread of its own so
//! that nobody waits for it. No key, no header and no body is ever handed to it.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use aeordb::clock::Clock;
use aeordb_api::Time;
use serde_json::{Map, Value};

/// Lines that may wait. When more come than standard error takes, lines are lost, not requests.
const WAITING_MAX: usize = 4096;

static LINES: OnceLock<Option<SyncSender<String>>> = OnceLock::new();

/// What of the requests is logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// Only what the server failed at.
    Errors,
    /// Also every request that changes something or fails.
    #[default]
    Changes,
    /// Every request.
    Requests,
}

/// Logs one event.
pub fn event(kind: &str, members: &[(&str, Value)]) {
    let mut line = Map::new();
    line.insert("time".into(), Time(Clock::system().now()).to_string().into());
    line.insert("event".into(), kind.into());
    line.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let lines = LINES.get_or_init(|| {
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("log".into());
        thread.spawn(move || write(&waiting)).ok().map(|_| lines)
    });
    if let Some(lines) = lines {
        let _ = lines.try_send(Value::Object(line).to_string());
    }
}

fn write(lines: &Receiver<String>) {
    let mut collected = String::new();
    while let Ok(line) = lines.recv() {
        collected.clear();
        collected.push_str(&line);
        collected.push('\n');
        while let Ok(line) = lines.try_recv() {
            collected.push_str(&line);
            collected.push('\n');
        }
        // Nobody is left to be told that this did not work.
        let _ = std::io::stderr().write_all(collected.as_bytes());
    }
}
