//! Many changes of paths as one commit.

use aeordb::db::edit::{self, sum};
use aeordb::db::{Draft, Upload};
use aeordb::hash::VersionId;
use aeordb::object::{FileRecord, Item, Path, Totals};
use aeordb::{Error, Result};
use axum::http::StatusCode;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json_answer;
use crate::json;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema::{flag, object, text};

/// Longest body, in bytes.
const JSON_LEN_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Change {
    Put {
        path: String,
        content: Option<String>,
        content_b64: Option<String>,
        content_type: Option<String>,
    },
    Delete {
        path: String,
        #[serde(default)]
        recursive: bool,
    },
    Rename {
        from: String,
        to: String,
        #[serde(default)]
        force: bool,
    },
    Copy {
        from: String,
        to: String,
        version: Option<String>,
        #[serde(default)]
        force: bool,
    },
}

/// A change that was understood.
enum Step {
    Put(Path, FileRecord),
    Delete(Path, bool),
    Rename(Path, Path, bool),
    Copy(Option<VersionId>, Path, Path, bool),
}

pub fn schema() -> Value {
    let op = |name: &str| json!({ "const": name });
    let changes = json!([
        object(&[
            ("op", op("put")),
            ("path", text()),
            ("content?", text()),
            ("content_b64?", text()),
            ("content_type?", text()),
        ]),
        object(&[("op", op("delete")), ("path", text()), ("recursive?", flag())]),
        object(&[("op", op("rename")), ("from", text()), ("to", text()), ("force?", flag())]),
        object(&[
            ("op", op("copy")),
            ("from", text()),
            ("to", text()),
            ("version?", text()),
            ("force?", flag()),
        ]),
    ]);
    object(&[("changes", json!({ "type": "array", "items": { "anyOf": changes } }))])
}

pub async fn post(mut request: Request) -> Answer {
    let expect = request.expected_head()?;
    let batch: Batch = request.incoming().json_up_to(JSON_LEN_MAX).await?;
    let edit = request.app.blocking(move |app| {
        let reader = app.reader()?;
        let mut upload = Upload::new(app.database.clone());
        let now = app.database.clock().now();
        let resolve = |name: &str| reader.resolve(name);
        let steps = batch.changes.into_iter().map(|change| read(&mut upload, change, now, resolve));
        let steps = steps.collect::<std::result::Result<Vec<Step>, Problem>>()?;
        Ok(upload.into_edit("batch", move |draft| apply(draft, expect.as_ref(), &steps)))
    });
    let report = request.app.edit(edit.await?).await?;
    Ok(json_answer(StatusCode::OK, &json::edit(&report)))
}

fn read(
    upload: &mut Upload,
    change: Change,
    now: i64,
    resolve: impl Fn(&str) -> Result<VersionId>,
) -> std::result::Result<Step, Problem> {
    let path = |text: &str| Path::parse(text.as_bytes());
    Ok(match change {
        Change::Put { path: at, content, content_b64, content_type } => {
            let bytes = match (content, content_b64) {
                (Some(text), None) => text.into_bytes(),
                (None, Some(encoded)) => BASE64
                    .decode(encoded.as_bytes())
                    .map_err(|_| Problem::invalid(format!("content_b64 of {at} is no base64")))?,
                _ => {
                    let detail = format!("{at} needs content or content_b64");
                    return Err(Problem::invalid(detail));
                }
            };
            upload.write(&bytes)?;
            let mut record = upload.finish_file()?;
            (record.mode, record.mtime) = (Some(0o644), Some(now));
            record.content_type = content_type;
            Step::Put(path(&at)?, record)
        }
        Change::Delete { path: at, recursive } => Step::Delete(path(&at)?, recursive),
        Change::Rename { from, to, force } => Step::Rename(path(&from)?, path(&to)?, force),
        Change::Copy { from, to, version, force } => {
            let version = version.as_deref().map(resolve).transpose()?;
            Step::Copy(version, path(&from)?, path(&to)?, force)
        }
    })
}

fn apply(draft: &mut Draft<'_, '_>, expect: Option<&VersionId>, steps: &[Step]) -> Result<Totals> {
    if let Some(expected) = expect {
        let head = draft.version()?;
        if head != *expected {
            return Err(Error::HeadMoved { head, expected: *expected });
        }
    }
    let mut touched = Totals::default();
    for step in steps {
        let done = match step {
            Step::Put(path, record) => {
                let found = draft.item(path)?;
                if matches!(found, Some(Item::Directory(_))) {
                    return Err(Error::Exists(format!("directory {path}/")));
                }
                let mut record = record.clone();
                if let (None, Some(Item::File(before))) = (&record.content_type, found) {
                    record.content_type = before.content_type;
                }
                edit::put(draft, path, Item::File(record))
            }
            Step::Delete(path, recursive) => {
                edit::remove(draft, std::slice::from_ref(path), *recursive)
            }
            Step::Rename(from, to, force) => edit::rename(draft, from, to, *force),
            Step::Copy(version, from, to, force) => {
                edit::copy(draft, version.as_ref(), from, to, *force)
            }
        }?;
        touched = sum(touched, done)?;
    }
    Ok(touched)
}
