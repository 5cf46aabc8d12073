//! Where an export or a patch goes: a new file that appears complete or not at all, or standard
//! output.

use std::io::Write;
use std::path::Path;

use aeordb::media::file::NewFile;
use aeordb::watch::Watch;
use aeordb::{Error, Result};

use crate::app::App;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::render::Report;

/// True for `-`, which stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes `output` with `make`. That it exists already is an error before any work is done.
pub fn write<R>(
    app: &mut App,
    output: &Path,
    make: impl FnOnce(&mut dyn Write, &Watch) -> Result<R>,
) -> Attempt<R> {
    write_from(app, output, Subject::Database, make)
}

/// Makes `output` with `make`, whose errors are about `source`.
pub fn write_from<R>(
    app: &mut App,
    output: &Path,
    source: Subject,
    make: impl FnOnce(&mut dyn Write, &Watch) -> Result<R>,
) -> Attempt<R> {
    if is_standard(output) {
        if app.out.is_terminal() {
            return Err(Error::invalid("a terminal cannot show a backup: name a file").into());
        }
        let made = app.watched(|out, watch| make(out.data(), watch).about(source))?;
        app.out.flush()?;
        return Ok(made);
    }
    if app.is_database(output) {
        let error = Error::Exists(format!("{} (the database itself)", output.display()));
        return Err(Failure { error, subject: Subject::Output });
    }
    let mut file = NewFile::create(output).about(Subject::Output)?;
    app.watched(|_, watch| {
        let made = make(&mut file, watch).about(source)?;
        file.publish().about(Subject::Output)?;
        Ok(made)
    })
}

/// Reports what was written to `output`, beside the data if that is standard output.
pub fn report(app: &mut App, output: &Path, report: &Report) -> Result<()> {
    if is_standard(output) {
        app.report_beside(report);
        return Ok(());
    }
    app.report(report)
}
