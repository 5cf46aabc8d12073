//! `info [FILE]...`

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aeordb::backup;

use crate::app::{App, Outcome};
use crate::args::Info;
use crate::exit::{self, About, Attempt, Subject};
use crate::render;

pub fn run(app: &mut App, args: Info) -> Outcome {
    let database = args.files.is_empty().then(|| app.path().to_owned());
    let subject = if database.is_some() { Subject::Database } else { Subject::Backup };
    let mut code = exit::DONE;
    for file in args.files.into_iter().chain(database) {
        // One file that cannot be read hides nothing about the others.
        if let Err(failure) = describe(app, &file, subject) {
            if exit::is_closed_pipe(&failure.error) {
                return Err(failure);
            }
            app.out.flush()?;
            let failed = app.fail(failure);
            code = if code == exit::DONE { failed } else { code };
        }
    }
    Ok(code)
}

fn describe(app: &mut App, file: &Path, subject: Subject) -> Attempt<()> {
    let info = backup::info(file).about(subject)?;
    let report = render::info(file.as_os_str().as_bytes(), &info);
    if app.global.json {
        return Ok(app.out.json(&report.json)?);
    }
    Ok(app.out.bytes(report.text().as_bytes())?)
}
