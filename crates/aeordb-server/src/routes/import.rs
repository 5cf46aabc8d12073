//! Import: files of the backup directory, or the body, which is one file or several one after
//! another, as one change.

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, Input, OnConflict};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{Cancelled, set_etag};
use super::{Content, Needs, Route, json_answer};
use crate::app::App;
use crate::json;
use crate::keys::Scope;
use crate::problem::{Answer, Problem};
use crate::request::{Request, SIDES};
use crate::schema::{backup, closed, count, flag, hash, object, one_of, or_null, text, word};
use crate::spool;

/// Longest body of JSON that names files to import.
const JSON_LEN_MAX: usize = 1024 * 1024;
/// Most files of one import by name: they are all open meanwhile.
const FILES_MAX: usize = 256;

pub fn routes() -> Vec<Route> {
    let files =
        json!({ "anyOf": [backup(), { "type": "array", "items": backup(), "minItems": 1 }] });
    let merge = json!({ "anyOf": [flag(), one_of(&SIDES)] });
    let import = closed(&[
        ("file", files),
        ("promote?", flag()),
        ("force?", flag()),
        ("snapshot?", or_null(word())),
        ("merge?", merge),
        ("undo?", or_null(backup())),
    ]);
    vec![
        Route::new(
            Method::POST,
            "/admin/import",
            Needs::Scope(Scope::Import),
            "Import exports and patches, in order, as one change: files of the backup directory, \
             or the body, which is one file or several one after another",
            |request| Box::pin(import_any(request)),
        )
        .conditional()
        .query(&[
            ("promote", "make the imported version HEAD (where the body is the files)"),
            ("force", "apply a patch whatever HEAD is (where the body is the files)"),
            ("snapshot", "name the imported version (where the body is the files)"),
            (
                "merge",
                "apply the changes of a patch to HEAD (where the body is the files); what both \
                 changed is left out, or with `ours` or `theirs` becomes that",
            ),
            (
                "undo",
                "with promote: first make a patch of this name in the backup directory, which \
                 leads back (where the body is the files)",
            ),
        ])
        .body(Content::Json(import))
        .body(Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(200, "What was imported", Content::Json(schema())),
    ]
}

fn schema() -> Value {
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
        ("merge?", json!({ "type": "object" })),
        ("undo_bytes?", count()),
    ])
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
    #[serde(default)]
    merge: Merge,
    undo: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Whether the changes of a patch are applied to HEAD, and which side wins.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Flag(bool),
    Side(Side),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Ours,
    Theirs,
}

impl Default for Merge {
    fn default() -> Self {
        Merge::Flag(false)
    }
}

impl Merge {
    fn of(request: &Request) -> Result<Self, Problem> {
        Ok(match request.query("merge")? {
            Some("ours") => Merge::Side(Side::Ours),
            Some("theirs") => Merge::Side(Side::Theirs),
            _ => Merge::Flag(request.flag("merge")?),
        })
    }

    fn on_conflict(&self) -> Option<OnConflict> {
        match self {
            Merge::Flag(false) => None,
            Merge::Flag(true) => Some(OnConflict::LeaveOut),
            Merge::Side(Side::Ours) => Some(OnConflict::Ours),
            Merge::Side(Side::Theirs) => Some(OnConflict::Theirs),
        }
    }
}

async fn import_any(mut request: Request) -> Answer {
    let expect = request.expected_head()?;
    if is_json(&request) {
        let Import { file, promote, force, snapshot, merge, undo } =
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
        let merge = merge.on_conflict();
        let undo = undo.map(|name| request.app.backups.place(&name)).transpose()?;
        let options = ImportOptions { promote, force, expect, snapshot, merge, undo };
        allow(&request, &options)?;
        let inputs = move |app: &App| names.iter().map(|name| named(app, name)).collect();
        return import(&request, options, inputs).await;
    }
    let undo = request.query("undo")?.map(|name| request.app.backups.place(name)).transpose()?;
    let options = ImportOptions {
        promote: request.flag("promote")?,
        force: request.flag("force")?,
        expect,
        snapshot: request.query("snapshot")?.map(str::to_owned),
        merge: Merge::of(&request)?.on_conflict(),
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
        let mut response = json_answer(StatusCode::OK, &json::import(&report));
        if report.promoted {
            set_etag(&mut response, &report.version);
        }
        Ok(response)
    });
    answer.await
}
