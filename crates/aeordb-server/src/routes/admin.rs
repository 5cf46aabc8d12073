//! The calls of backup and restore that write files of the backup directory, and promotion.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::backup;
use aeordb::hash::VersionId;
use aeordb::watch::Watch;
use axum::http::header::ETAG;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::files::tag_of;
use super::{Content, Needs, Route, json_answer};
use crate::app::App;
use crate::json;
use crate::keys::Scope;
use crate::problem::Answer;
use crate::request::Request;
use crate::schema::{backup, closed, count, hash, object, or_null, text, text_or_null, word};

pub fn routes() -> Vec<Route> {
    let version = || or_null(word());
    let export = closed(&[("output", backup()), ("snapshot?", version()), ("hash?", version())]);
    let diff = closed(&[("output", backup()), ("from", word()), ("to?", version())]);
    let mut info = vec![("kind", text()), ("format", count()), ("version", hash())];
    info.push(("base", text_or_null()));
    info.extend(COUNTS.map(|name| (name, count())));
    vec![
        Route::new(
            Method::GET,
            "/admin/info",
            Needs::Scope(Scope::Read),
            "What the database is, of which version, how large",
            |request| Box::pin(info_of_database(request)),
        )
        .answer(200, "The counts of the file", Content::Json(object(&info))),
        Route::new(
            Method::POST,
            "/admin/export",
            Needs::Scope(Scope::Export),
            "Write a version to a file of the backup directory",
            |request| Box::pin(export_file(request)),
        )
        .body(Content::Json(export))
        .answer(201, "What the export holds", Content::Json(export_schema())),
        Route::new(
            Method::POST,
            "/admin/diff",
            Needs::Scope(Scope::Export),
            "Write the difference of two versions to a file of the backup directory",
            |request| Box::pin(diff_file(request)),
        )
        .body(Content::Json(diff))
        .answer(201, "What the patch holds", Content::Json(patch_schema())),
        Route::new(
            Method::POST,
            "/admin/promote",
            Needs::Removal(Scope::Promote),
            "Make a version HEAD; If-Match says what HEAD must still be",
            |request| Box::pin(promote(request)),
        )
        .conditional()
        .body(Content::Json(closed(&[("hash", word())])))
        .answer(
            200,
            "HEAD now and before",
            Content::Json(object(&[("head", hash()), ("previous", hash())])),
        ),
    ]
}

/// What is counted of a database.
const COUNTS: [&str; 11] = [
    "files",
    "directories",
    "bytes",
    "objects",
    "chunks",
    "file_bytes",
    "stored_bytes",
    "raw_bytes",
    "void_bytes",
    "snapshots",
    "history",
];

fn export_schema() -> serde_json::Value {
    object(&[
        ("version", hash()),
        ("files", count()),
        ("chunks", count()),
        ("directories", count()),
        ("output", text()),
        ("bytes", count()),
    ])
}

fn patch_schema() -> serde_json::Value {
    object(&[
        ("from", hash()),
        ("to", hash()),
        ("files_added", count()),
        ("files_modified", count()),
        ("files_deleted", count()),
        ("chunks", count()),
        ("directories", count()),
        ("output", text()),
        ("bytes", count()),
    ])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    output: String,
    snapshot: Option<String>,
    hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Diff {
    output: String,
    from: String,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    hash: String,
}

/// Stops the work when whoever asked for it is gone.
#[derive(Default)]
pub struct Cancelled(pub Arc<Watch>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn info_of_database(request: Request) -> Answer {
    let look = |app: &Arc<App>| Ok(backup::info(app.database.path())?);
    let info = request.app.blocking(look).await?;
    Ok(json_answer(StatusCode::OK, &json::info(&info)))
}

async fn export_file(mut request: Request) -> Answer {
    let Export { output, snapshot, hash } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let version = App::version(&reader, hash.as_deref(), snapshot.as_deref())?;
        let report = backup::export(&reader, &version, &mut file, &seen)?;
        app.backups.publish(file, &output)?;
        app.metrics.last_export.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &json::export(&report, &output)))
    });
    answer.await
}

async fn diff_file(mut request: Request) -> Answer {
    let Diff { output, from, to } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let from = reader.resolve(&from)?;
        let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
        let report = backup::diff(&reader, &from, &to, &mut file, &seen)?;
        app.backups.publish(file, &output)?;
        app.metrics.last_patch.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &json::patch(&report, &output)))
    });
    answer.await
}

/// Now, in seconds since 1970.
pub fn seconds(app: &App) -> i64 {
    app.database.clock().now() / 1_000_000_000
}

async fn promote(mut request: Request) -> Answer {
    let Promote { hash } = request.incoming().json().await?;
    let expect = request.expected_head()?;
    let answer = request.app.writing(move |app| {
        let version = app.database.reader()?.resolve(&hash)?;
        let promotion = app.database.promote(&version, expect.as_ref())?;
        let mut response = json_answer(StatusCode::OK, &json::promotion(&promotion));
        set_etag(&mut response, &promotion.head);
        Ok(response)
    });
    answer.await
}

/// HEAD's version is the tag that `If-Match` of these calls takes.
pub fn set_etag(response: &mut Response, version: &VersionId) {
    response.headers_mut().insert(ETAG, tag_of(version));
}
