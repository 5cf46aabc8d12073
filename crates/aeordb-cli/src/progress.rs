//! How far a long verb is: a bar, or lines, by a thread that looks at the [`Monitor`] now and then.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aeordb::monitor::{Monitor, Progress};
use aeordb_api::Name;
use aeordb_api::command::ProgressLine;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::out::Out;
use crate::text;

const INTERVAL: Duration = Duration::from_millis(100);
/// Time between two lines.
const BETWEEN_LINES: Duration = Duration::from_millis(500);
/// How long it may take until a path comes, once somebody wants to know it.
const PATH_COMES: Duration = Duration::from_millis(100);
/// What is done sooner than this many intervals shows no bar.
const QUIET_INTERVALS: u32 = 5;

const KNOWN: &str =
    "{bar:24} {percent:>3}%  {bytes} of {total_bytes}  {msg}  {bytes_per_sec}  ETA {eta}";
const UNKNOWN: &str = "{spinner} {bytes}  {msg}  {bytes_per_sec}";

/// A bar that is drawn until it is dropped.
pub struct Bar {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Draws how far `monitor` is, on standard error.
    pub fn start(monitor: &Arc<Monitor>) -> Self {
        monitor.observe();
        let (stop, stopped) = mpsc::channel();
        let monitor = Arc::clone(monitor);
        let thread = thread::spawn(move || {
            // The rate counts from here, whenever the bar is first seen.
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let mut intervals = 0u32;
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                intervals = intervals.saturating_add(1);
                if intervals == QUIET_INTERVALS {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                show(&bar, monitor.progress());
            }
            bar.finish_and_clear();
        });
        Bar { stop: Some(stop), thread: Some(thread) }
    }
}

/// Lines of JSON until it is dropped, and the last one then.
pub struct Lines {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Says how far `monitor` is, on standard error.
    pub fn start(monitor: &Arc<Monitor>) -> Self {
        monitor.observe();
        monitor.follow();
        let (stop, stopped) = mpsc::channel();
        let monitor = Arc::clone(monitor);
        let thread = thread::spawn(move || {
            let Ok(mut out) = Out::standard() else { return };
            while stopped.recv_timeout(BETWEEN_LINES) == Err(RecvTimeoutError::Timeout) {
                out.json_message(&line(&monitor, false));
            }
            out.json_message(&line(&monitor, true));
        });
        Lines { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Says once how far `monitor` is, on standard error.
pub fn tell(monitor: &Monitor, json: bool) {
    monitor.follow();
    let asked = Instant::now();
    while monitor.path().is_none() && asked.elapsed() < PATH_COMES {
        thread::park_timeout(PATH_COMES / 10);
    }
    let Ok(mut out) = Out::standard() else { return };
    match json {
        true => out.json_message(&line(monitor, false)),
        false => out.message(&words(monitor)),
    }
}

/// How far it is, for a program.
fn line(monitor: &Monitor, ended: bool) -> ProgressLine {
    let Progress { files, bytes, files_expected, bytes_expected } = monitor.progress();
    let known = |number| Some(number).filter(|number| *number > 0);
    let path = monitor.path().map(|path| Name::new(&path));
    ProgressLine {
        kind: "progress".into(),
        phase: monitor.phase(),
        files,
        bytes,
        files_expected: known(files_expected),
        bytes_expected: known(bytes_expected),
        path_b64: path.as_ref().and_then(|path| path.b64.clone()),
        path: path.map(|path| path.text),
        ended,
    }
}

/// The same for a person.
fn words(monitor: &Monitor) -> String {
    let progress = monitor.progress();
    let bytes = match progress.bytes_expected {
        0 => text::size(progress.bytes),
        expected => format!("{} of {}", text::size(progress.bytes), text::size(expected)),
    };
    let path = monitor.path().map(|path| format!(", {}", text::printable_name(&path)));
    let path = path.unwrap_or_default();
    format!("aeordb: {}: {}, {bytes}{path}", monitor.phase(), files(progress))
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    if progress.bytes_expected > 0 && bar.length().is_none() {
        bar.set_style(style(KNOWN));
    } else if bar.length().is_none() {
        bar.set_style(style(UNKNOWN));
    }
    if progress.bytes_expected > 0 {
        bar.set_length(progress.bytes_expected);
    }
    bar.set_message(files(progress));
    bar.set_position(progress.bytes);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How many files of how many are done.
fn files(progress: Progress) -> String {
    let done = text::count(progress.files);
    match progress.files_expected {
        0 if progress.files == 1 => "1 file".into(),
        0 => format!("{done} files"),
        1 => format!("{done} of 1 file"),
        expected => format!("{done} of {} files", text::count(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_of_the_bar_are_understood() {
        for template in [KNOWN, UNKNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn files_are_counted_against_what_is_expected_once_that_is_known() {
        assert_eq!(files(Progress { files: 1, ..Progress::default() }), "1 file");
        let mut progress = Progress { files: 1234, ..Progress::default() };
        assert_eq!(files(progress), "1,234 files");
        progress.files_expected = 78_611;
        assert_eq!(files(progress), "1,234 of 78,611 files");
    }

    #[test]
    fn a_line_leaves_out_what_is_not_known_yet() {
        let monitor = Monitor::new();
        monitor.enter("put");
        monitor.advance(2, 3000);
        let first = line(&monitor, false);
        assert_eq!((first.files_expected, first.bytes_expected, first.path), (None, None, None));
        assert_eq!(words(&monitor), "aeordb: put: 2 files, 2.9 KiB");
        monitor.follow();
        monitor.at(|| Some(b"/caf\xff".to_vec()));
        monitor.expect(7, 9000);
        let last = line(&monitor, true);
        assert_eq!(
            (last.files, last.files_expected, last.bytes_expected),
            (2, Some(7), Some(9000))
        );
        assert_eq!((last.path_b64.as_deref(), last.ended), (Some("L2NhZv8="), true));
        assert_eq!(words(&monitor), "aeordb: put: 2 of 7 files, 2.9 KiB of 8.7 KiB, /caf\\xff");
    }

    #[test]
    fn a_bar_ends_when_it_is_dropped() {
        let monitor = Arc::new(Monitor::new());
        monitor.expect(2, 20);
        let bar = Bar::start(&monitor);
        monitor.advance(1, 10);
        drop(bar);
        assert_eq!(Arc::strong_count(&monitor), 1);
    }
}
