//! The calls of backup and restore that work with files of the backup directory, and the import
//! of a file that is the body.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, Input};
use aeordb::hash::VersionId;
use aeordb::watch::Watch;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::{Content, Needs, Route, json_answer};
use crate::app::App;
use crate::backups::BackupDirectory;
use crate::json;
use crate::keys::Scope;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema::{count, flag, hash, object, text};
use crate::spool;

/// Longest body of JSON that names files to import.
const IMPORT_LEN_MAX: usize = 1024 * 1024;
/// Most files of one import.
const FILES_MAX: usize = 1000;
/// Bytes that are read at once.
const PIECE_LEN: usize = 256 * 1024;

pub fn routes() -> Vec<Route> {
    let export = object(&[("output", text()), ("snapshot?", text()), ("hash?", text())]);
    let diff = object(&[("output", text()), ("from", text()), ("to?", text())]);
    let files = json!({ "anyOf": [text(), { "type": "array", "items": text() }] });
    let import =
        object(&[("file", files), ("promote?", flag()), ("force?", flag()), ("snapshot?", text())]);
    vec![
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
            "/admin/import",
            Needs::Scope(Scope::Import),
            "Import an export or a patch: a file of the backup directory, or the body",
            |request| Box::pin(import_any(request)),
        )
        .query(&[
            ("promote", "make the imported version HEAD (where the body is the file)"),
            ("force", "apply a patch whatever HEAD is (where the body is the file)"),
            ("snapshot", "name the imported version (where the body is the file)"),
        ])
        .body(Content::Json(import))
        .body(Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(200, "What was imported", Content::Json(import_schema())),
        Route::new(
            Method::POST,
            "/admin/promote",
            Needs::Removal(Scope::Promote),
            "Make a version HEAD; If-Match says what HEAD must still be",
            |request| Box::pin(promote(request)),
        )
        .body(Content::Json(object(&[("hash", text())])))
        .answer(
            200,
            "HEAD now and before",
            Content::Json(object(&[("head", hash()), ("previous", hash())])),
        ),
    ]
}

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

fn import_schema() -> serde_json::Value {
    object(&[
        ("version", hash()),
        ("kind", text()),
        ("entries", count()),
        ("chunks", count()),
        ("files", count()),
        ("directories", count()),
        ("deletions", count()),
        ("promoted", flag()),
        ("new_entries", count()),
        ("new_bytes", count()),
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
struct Import {
    file: OneOrMany,
    #[serde(default)]
    promote: bool,
    #[serde(default)]
    force: bool,
    snapshot: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    hash: String,
}

/// Stops the work when whoever asked for it is gone.
pub struct Cancelled(pub Arc<Watch>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn export_file(mut request: Request) -> Answer {
    let Export { output, snapshot, hash } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled(Arc::default());
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let version = App::version(&reader, hash.as_deref(), snapshot.as_deref())?;
        let report = backup::export(&reader, &version, &mut file, &seen)?;
        BackupDirectory::publish(file, &output)?;
        app.metrics.last_export.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &json::export(&report, &output)))
    });
    answer.await
}

async fn diff_file(mut request: Request) -> Answer {
    let Diff { output, from, to } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled(Arc::default());
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let from = reader.resolve(&from)?;
        let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
        let report = backup::diff(&reader, &from, &to, &mut file, &seen)?;
        BackupDirectory::publish(file, &output)?;
        app.metrics.last_patch.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &json::patch(&report, &output)))
    });
    answer.await
}

/// Now, in seconds since 1970.
pub fn seconds(app: &App) -> i64 {
    app.database.clock().now() / 1_000_000_000
}

async fn import_any(mut request: Request) -> Answer {
    let expect = request.expected_head()?;
    if is_json(&request) {
        let Import { file, promote, force, snapshot } =
            request.incoming().json_up_to(IMPORT_LEN_MAX).await?;
        let names = match file {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        };
        if names.len() > FILES_MAX {
            let found = names.len();
            let detail = format!("one import takes at most {FILES_MAX} files, not {found}");
            return Err(Problem::invalid(detail));
        }
        allow(&request, promote, snapshot.as_deref())?;
        let options =
            ImportOptions { promote, force, expect, snapshot, ..ImportOptions::default() };
        return import(&request, options, move |app| {
            // All of them are there before the first is read, and one is open at a time.
            names.iter().try_for_each(|name| app.open_backup(name).map(drop))?;
            let late = |name| Input::Stream(Box::new(Late::new(app, name)));
            Ok(names.into_iter().map(late).collect())
        })
        .await;
    }
    let (promote, force) = (request.flag("promote")?, request.flag("force")?);
    let snapshot = request.query("snapshot").map(str::to_owned);
    allow(&request, promote, snapshot.as_deref())?;
    let options = ImportOptions { promote, force, expect, snapshot, ..ImportOptions::default() };
    // The writer must not wait for the sender, so the file comes first, and then its import.
    let digest = request.headers.get(HeaderName::from_static("content-digest")).cloned();
    let file = spool::take(&request.app.clone(), request.incoming(), digest).await?;
    let file = BufReader::with_capacity(PIECE_LEN, file);
    import(&request, options, move |_| Ok(vec![Input::Stream(Box::new(file))])).await
}

fn is_json(request: &Request) -> bool {
    let kind = request.header(CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// An import that promotes moves HEAD, and one that names a version makes a snapshot.
fn allow(request: &Request, promote: bool, snapshot: Option<&str>) -> Result<(), Problem> {
    if snapshot.is_some() {
        request.need(Scope::Snapshot)?;
    }
    if promote {
        request.need(Scope::Promote)?;
        if request.rights.append_only {
            return Err(Problem::forbidden("this key may only append"));
        }
    }
    Ok(())
}

/// A file of the backup directory that is opened when its turn comes.
struct Late {
    app: Arc<App>,
    name: String,
    file: Option<BufReader<File>>,
}

impl Late {
    fn new(app: &Arc<App>, name: String) -> Self {
        Late { app: app.clone(), name, file: None }
    }
}

impl Read for Late {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() {
            // It was there a moment ago.
            let gone = |_| io::Error::other(Error::not_found(format!("backup '{}'", self.name)));
            let file = self.app.open_backup(&self.name).map_err(gone)?;
            self.file = Some(BufReader::with_capacity(PIECE_LEN, file));
        }
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}

async fn import(
    request: &Request,
    options: ImportOptions,
    inputs: impl FnOnce(&Arc<App>) -> Result<Vec<Input>, Problem> + Send + 'static,
) -> Answer {
    let watch = Cancelled(Arc::default());
    let seen = watch.0.clone();
    let answer = request.app.writing(move |app| {
        let inputs = inputs(app)?;
        let report =
            backup::import(&app.database, inputs, &options, &seen).map_err(Problem::of_backup)?;
        let mut response = json_answer(StatusCode::OK, &json::import(&report));
        if report.promoted {
            set_etag(&mut response, &report.version);
        }
        Ok(response)
    });
    answer.await
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
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
}
