//! Import: files of the backup directory that the body names, or the body itself.

use aeordb::backup::ImportOptions;
use aeordb_api::backups::{Import, NewImport, OneOrMany};
use aeordb_api::table::{ImportFiles, ImportQuery};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use super::admin::set_etag;
use super::{Route, json_answer};
use crate::problem::Answer;
use crate::request::Request;
use crate::service::import::Files;

/// Longest body of JSON that names files to import.
const JSON_LEN_MAX: usize = 1024 * 1024;

pub fn routes() -> Vec<Route> {
    vec![Route::of::<ImportFiles>(|request, query| Box::pin(import(request, query)))]
}

async fn import(mut request: Request, query: ImportQuery) -> Answer {
    let expect = request.expected_head()?;
    let (asker, service) = (request.asker(), request.app.service.clone());
    let (files, options) = if is_json(&request) {
        let NewImport { file, promote, force, snapshot, merge, undo } =
            request.incoming().json_up_to(JSON_LEN_MAX).await?;
        let names = match file {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        };
        let (merge, undo) = (merge.options(), service.undo(undo.as_deref())?);
        let options = ImportOptions { promote, force, expect, snapshot, merge, undo };
        service.may_import(&asker, &options)?;
        (Files::Named(names), options)
    } else {
        let options = ImportOptions {
            promote: query.promote,
            force: query.force,
            expect,
            snapshot: query.snapshot.map(|name| name.0),
            merge: query.merge.unwrap_or_default().options(),
            undo: service.undo(query.undo.as_ref().map(|name| name.0.as_str()))?,
        };
        service.may_import(&asker, &options)?;
        // The writer must not wait for the sender, so the files come first, and then their import.
        (Files::Sent(service.spool(&asker, request.incoming()).await?), options)
    };
    let report = service.import(files, options).await?;
    let mut response = json_answer(StatusCode::OK, &Import::from(&report));
    if report.promoted {
        set_etag(&mut response, &report.version);
    }
    Ok(response)
}

fn is_json(request: &Request) -> bool {
    let kind = request.header(CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}
