//! The files of the backup directory: fetched whole or in parts, resumed by their seal.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method};

use super::download::{self, Representation};
use super::{Content, Needs, Route, no_content, page};
use crate::backups::FileBytes;
use crate::keys::Scope;
use crate::outgoing::Pulled;
use crate::problem::Answer;
use crate::request::Request;
use crate::schema;
use crate::schema::{count, object, one_of, text, text_or_null};

pub fn routes() -> Vec<Route> {
    let backup = object(&[
        ("name", text()),
        ("kind", one_of(&["export", "patch", "unknown"])),
        ("version", text_or_null()),
        ("base", text_or_null()),
        ("size", count()),
        ("modified", text()),
        ("seal", text_or_null()),
    ]);
    let needs = Needs::Scope(Scope::Export);
    vec![
        Route::new(
            Method::GET,
            "/admin/backups",
            needs,
            "List the backups, and other files beside them",
            |request| Box::pin(list(request)),
        )
        .query(&[("cursor", "the `next` of the page before"), ("limit", "1 to 10000 items")])
        .answer(200, "A page of them, by name", Content::Json(schema::page(backup))),
        Route::new(
            Method::GET,
            "/admin/backups/{name}",
            needs,
            "Fetch a backup, or a range of it",
            |request| Box::pin(get(request)),
        )
        .answer(200, "The backup", Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(206, "A part of it", Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(304, "It has the tag of If-None-Match", Content::None),
        Route::new(
            Method::DELETE,
            "/admin/backups/{name}",
            Needs::Removal(Scope::Export),
            "Remove a backup, or another file beside them",
            |request| Box::pin(delete(request)),
        )
        .answer(204, "It is gone", Content::None),
    ]
}

async fn list(request: Request) -> Answer {
    let limit = request.limit(100)?;
    let after = request.query("cursor")?.map(str::to_owned);
    let (found, more) =
        request.app.blocking(move |app| app.backups.list(after.as_deref(), limit)).await?;
    let next = found.last().filter(|_| more).map(|(name, _)| name.clone());
    Ok(page(found.into_iter().map(|(_, backup)| backup).collect(), next))
}

async fn get(request: Request) -> Answer {
    let name = request.name()?;
    let backup = request.app.blocking(move |app| app.backups.get(&name)).await?;
    let etag = HeaderValue::from_str(&backup.etag()).ok();
    let modified = download::http_date(backup.modified);
    let (etag, modified) = (etag.as_ref(), modified.as_ref());
    let (size, mtime) = (backup.size, Some(backup.modified));
    let representation = Representation { size, etag, modified, mtime };
    let app = request.app.clone();
    let mut response = download::respond(&request, &representation, |range| {
        let source = FileBytes { file: backup.file, offset: range.start };
        Pulled::body(&app, source, range.end - range.start)
    })?;
    let kind = HeaderValue::from_static(super::streams::MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

async fn delete(request: Request) -> Answer {
    let name = request.name()?;
    request.app.blocking(move |app| app.backups.remove(&name)).await?;
    Ok(no_content())
}
