//! The progress bar of long verbs: a thread that looks at the [`Watch`] ten times a second.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aeordb::watch::{Progress, Watch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text;

const INTERVAL: Duration = Duration::from_millis(100);
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
    /// Draws how far `watch` is, on standard error.
    pub fn start(watch: &Arc<Watch>) -> Self {
        watch.observe();
        let (stop, stopped) = mpsc::channel();
        let watch = Arc::clone(watch);
        let thread = thread::spawn(move || {
            // The rate counts from here, whenever the bar is first seen.
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let mut intervals = 0u32;
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                intervals = intervals.saturating_add(1);
                if intervals == QUIET_INTERVALS {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                show(&bar, watch.progress());
            }
            bar.finish_and_clear();
        });
        Bar { stop: Some(stop), thread: Some(thread) }
    }
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
    fn a_bar_ends_when_it_is_dropped() {
        let watch = Arc::new(Watch::new());
        watch.expect(2, 20);
        let bar = Bar::start(&watch);
        watch.advance(1, 10);
        drop(bar);
        assert_eq!(Arc::strong_count(&watch), 1);
    }
}
