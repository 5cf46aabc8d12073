//! Where an export or a patch goes: a new file that appears complete or not at all, or standard
//! output.

use std::io::Write;
use std::path::Path;

use aeordb::media::file::NewFile;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};

use crate::app::App;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::remote;
use crate::render::Report;

/// True for `-`, which stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes `output` of about `expected` bytes at most with `make`. That it exists already is an error
/// before any work is done.
pub fn write<R>(
    app: &mut App,
    output: &Path,
    expected: u64,
    make: impl FnOnce(&mut dyn Write, &Monitor) -> Result<R>,
) -> Attempt<R> {
    make_at(app, output, Some(expected), Subject::Database, make)
}

/// Makes `output` with `make`, whose errors are about `source`; how long it gets nobody knows.
pub fn write_from<R>(
    app: &mut App,
    output: &Path,
    source: Subject,
    make: impl FnOnce(&mut dyn Write, &Monitor) -> Result<R>,
) -> Attempt<R> {
    make_at(app, output, None, source, make)
}

fn make_at<R>(
    app: &mut App,
    output: &Path,
    expected: Option<u64>,
    source: Subject,
    make: impl FnOnce(&mut dyn Write, &Monitor) -> Result<R>,
) -> Attempt<R> {
    if is_standard(output) {
        if app.out.is_terminal() {
            return Err(Error::invalid("a terminal cannot show a backup: name a file").into());
        }
        // Whoever reads it may have stopped to, and nothing of it lasts here.
        let made = app.watched(|out, monitor| {
            monitor.let_go();
            make(out.data(), monitor).about(source)
        })?;
        app.out.flush()?;
        return Ok(made);
    }
    if app.is_database(output) {
        let error = Error::Exists(format!("{} (the database itself)", output.display()));
        return Err(Failure { error, subject: Subject::Output });
    }
    // What is on its way elsewhere goes on in threads, which begin when signals are taken already.
    app.watched(|_, monitor| {
        if remote::is_elsewhere(output.as_os_str()) {
            let new = remote::create(output.as_os_str(), expected);
            return finish(new.about(Subject::Output)?, source, monitor, make, |mut new| {
                new.publish()
            });
        }
        let new = NewFile::create(output).about(Subject::Output)?;
        finish(new, source, monitor, make, NewFile::publish)
    })
}

/// Fills what was begun with `make`, and gives it its name.
fn finish<N: Write, R>(
    mut new: N,
    source: Subject,
    monitor: &Monitor,
    make: impl FnOnce(&mut dyn Write, &Monitor) -> Result<R>,
    publish: impl FnOnce(N) -> Result<()>,
) -> Attempt<R> {
    let made = make(&mut new, monitor).about(source)?;
    publish(new).about(Subject::Output)?;
    Ok(made)
}

/// Reports what was written to `output`, beside the data if that is standard output.
pub fn report(app: &mut App, output: &Path, report: &Report) -> Result<()> {
    if is_standard(output) {
        app.report_beside(report);
        return Ok(());
    }
    app.report(report)
}
