//! Import: files of the backup directory, or the body, which is one file or several one after
//! another, as one change.

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, Input};
use aeordb_api::backups::{Import, NewImport, OneOrMany};
use aeordb_api::table::{ImportFiles, ImportQuery};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use super::admin::{Cancelled, set_etag};
use super::{Route, json_answer};
use crate::app::App;
use crate::keys::Scope;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::spool;

/// Longest body of JSON that names files to import.
const JSON_LEN_MAX: usize = 1024 * 1024;
/// Most files of one import by name: they are all open meanwhile.
const FILES_MAX: usize = 256;

pub fn routes() -> Vec<Route> {
    vec![Route::of::<ImportFiles>(|request, query| Box::pin(import_any(request, query)))]
}

async fn import_any(mut request: Request, query: ImportQuery) -> Answer {
    let expect = request.expected_head()?;
    if is_json(&request) {
        let NewImport { file, promote, force, snapshot, merge, undo } =
            request.incoming().json_up_to(JSON_LEN_MAX).await?;
        let names = match file {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        };
        if names.len() > FILES_MAX {
            let found = names.len();
            let detail = format!("one import takes at most {FILES_MAX} files, not {found}");
            return Err(Problem::invalid(detail));
        }
        let merge = merge.options();
        let undo = undo.map(|name| request.app.backups.place(&name)).transpose()?;
        let options = ImportOptions { promote, force, expect, snapshot, merge, undo };
        allow(&request, &options)?;
        let inputs = move |app: &App| names.iter().map(|name| named(app, name)).collect();
        return import(&request, options, inputs).await;
    }
    let undo = query.undo.map(|name| request.app.backups.place(&name.0)).transpose()?;
    let options = ImportOptions {
        promote: query.promote,
        force: query.force,
        expect,
        snapshot: query.snapshot.map(|name| name.0),
        merge: query.merge.unwrap_or_default().options(),
        undo,
    };
    allow(&request, &options)?;
    // The writer must not wait for the sender, so the files come first, and then their import.
    let body = spool::take(&request.app.clone(), request.incoming()).await?;
    import(&request, options, move |_| Ok(vec![Input::Stream(Box::new(body))])).await
}

/// A file of the backup directory.
fn named(app: &App, name: &str) -> Result<Input, Problem> {
    Ok(Input::Opened(format!("backup '{name}'"), app.backups.open_file(name)?))
}

fn is_json(request: &Request) -> bool {
    let kind = request.header(CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// An import that promotes moves HEAD, one that names a version makes a snapshot, and one that can
/// be undone makes a backup.
fn allow(request: &Request, options: &ImportOptions) -> Result<(), Problem> {
    if options.merge.is_some() && options.force {
        return Err(Problem::invalid("force and merge cannot go together"));
    }
    if options.promote {
        request.need(Scope::Promote)?;
        if request.rights.append_only {
            return Err(Problem::forbidden("this key may only append"));
        }
    }
    if options.snapshot.is_some() {
        request.need(Scope::Snapshot)?;
    }
    if options.undo.is_some() {
        request.need(Scope::Export)?;
    }
    Ok(())
}

async fn import(
    request: &Request,
    options: ImportOptions,
    inputs: impl FnOnce(&App) -> Result<Vec<Input>, Problem> + Send + 'static,
) -> Answer {
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let answer = request.app.writing(move |app| {
        let imported = backup::import(&app.database, inputs(app)?, &options, &seen);
        let report = imported.map_err(|error| match (error, &options.undo) {
            (Error::Exists(what), Some(undo)) if *what == *undo.to_string_lossy() => {
                Problem::exists("the backup that undo= names")
            }
            (error, _) => Problem::of_backup(error),
        })?;
        let mut response = json_answer(StatusCode::OK, &Import::from(&report));
        if report.promoted {
            set_etag(&mut response, &report.version);
        }
        Ok(response)
    });
    answer.await
}
