//! Many changes of paths as one commit.

use std::sync::Arc;

use aeordb::db::edit::{self, sum};
use aeordb::db::{Draft, EditReport, Upload};
use aeordb::hash::VersionId;
use aeordb::object::{Attributes, FileRecord, Item, Path, Totals};
use aeordb::{Error, Result};
use aeordb_api::files::{Batch, BatchChange};
use data_encoding::BASE64;

use super::Service;
use super::problem::Problem;

/// A change that was understood.
enum Step {
    Put(Path, FileRecord),
    Delete(Path, bool),
    Rename(Path, Path, bool),
    Copy(Option<VersionId>, Path, Path, bool),
}

impl Service {
    /// Makes all changes, or none; with `expect` only if that is still HEAD.
    pub async fn batch(
        self: &Arc<Self>,
        batch: Batch,
        expect: Option<VersionId>,
    ) -> std::result::Result<EditReport, Problem> {
        let only_deletes =
            batch.changes.iter().all(|change| matches!(change, BatchChange::Delete { .. }));
        let what = if only_deletes && !batch.changes.is_empty() { "rm" } else { "batch" };
        let edit = self.blocking(move |service| {
            let reader = service.reader()?;
            let mut upload = Upload::new(service.database.clone());
            let now = service.database.clock().now();
            let resolve = |name: &str| reader.resolve(name);
            let changes = batch.changes.into_iter();
            let steps = changes.map(|change| read(&mut upload, change, now, resolve));
            let steps = steps.collect::<std::result::Result<Vec<Step>, Problem>>()?;
            Ok(upload.into_edit(what, move |draft| apply(draft, expect.as_ref(), &steps)))
        });
        self.edit(edit.await?).await
    }
}

fn read(
    upload: &mut Upload,
    change: BatchChange,
    now: i64,
    resolve: impl Fn(&str) -> Result<VersionId>,
) -> std::result::Result<Step, Problem> {
    let path = |name, text, encoded| -> std::result::Result<Path, Problem> {
        Ok(Path::parse(&bytes(name, text, encoded)?)?)
    };
    Ok(match change {
        BatchChange::Put { path: at, path_b64, content, content_b64, content_type } => {
            let at = path("path", at, path_b64)?;
            upload.write(&bytes("content", content, content_b64)?)?;
            let mut record = upload.finish_file()?;
            record.attributes = Attributes::new(0o644, now);
            record.content_type = content_type;
            Step::Put(at, record)
        }
        BatchChange::Delete { path: at, path_b64, recursive } => {
            Step::Delete(path("path", at, path_b64)?, recursive)
        }
        BatchChange::Rename { from, from_b64, to, to_b64, force } => {
            Step::Rename(path("from", from, from_b64)?, path("to", to, to_b64)?, force)
        }
        BatchChange::Copy { from, from_b64, to, to_b64, version, force } => {
            let version = version.as_deref().map(resolve).transpose()?;
            Step::Copy(version, path("from", from, from_b64)?, path("to", to, to_b64)?, force)
        }
    })
}

/// The bytes of a member that is text, or base64 where its name ends so.
fn bytes(
    name: &str,
    text: Option<String>,
    encoded: Option<String>,
) -> std::result::Result<Vec<u8>, Problem> {
    match (text, encoded) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(encoded)) => BASE64
            .decode(encoded.as_bytes())
            .map_err(|_| Problem::invalid(format!("{name}_b64 is no base64"))),
        _ => Err(Problem::invalid(format!("a change needs {name} or {name}_b64"))),
    }
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
