//! What is at a path as a sealed file: out for a restore that is done elsewhere, or in outline for
//! a put that is made elsewhere; in as what that put comes to.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::sync::Arc;

use aeordb::Error;
use aeordb::backup::{self, ImportAtReport, Input};
use aeordb::db::{Naming, Reader, Replacing};
use aeordb::hash::VersionId;
use aeordb::object::Path;

use super::archive::Bound;
use super::pieces::Pieces;
use super::problem::Problem;
use super::streams::{Share, Stream};
use super::{Asker, Cancelled, Service};
use crate::keys::Scope;

impl Service {
    /// What is at `path`: an export of nothing else, or with `outline` its nodes alone.
    pub async fn tree(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        version: VersionId,
        path: Path,
        outline: bool,
    ) -> Result<Stream, Problem> {
        // Many do this at once, and it is done soon: they wait instead of being sent away.
        let share = Share::Uploads;
        if outline {
            return Ok(Stream::new(share, version, move |out, monitor| {
                backup::export_outline(&reader, &version, &path, out, monitor)
            }));
        }
        let subtree = self.blocking(move |_| {
            backup::subtree(&reader, &[version], &path).map_err(|error| match error {
                Error::NotFound(_) => Problem::not_found(format!("{path} in version {version}")),
                other => other.into(),
            })
        });
        let (reader, parts) = subtree.await?;
        Ok(Stream::new(share, version, move |out, monitor| {
            parts.iter().try_for_each(|part| backup::export(&reader, part, out, monitor).map(drop))
        }))
    }

    /// Puts at `path` what is sent, if what is there is what that starts from. The version is called
    /// `name`, if that is given.
    pub async fn put_tree(
        self: &Arc<Self>,
        asker: &Asker,
        path: Path,
        bound: Bound,
        name: Option<(String, BTreeMap<String, String>)>,
        sent: impl Pieces,
    ) -> Result<ImportAtReport, Problem> {
        let only_adds = asker.rights.append_only;
        let naming = self.naming(asker, name).await?;
        let file = self.spool(asker, sent).await?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        let work = move |service: &Arc<Self>| {
            let input = Input::Stream(Box::new(BufReader::with_capacity(256 * 1024, file)));
            let (database, naming) = (&service.database, naming.as_ref());
            let allow = |replacing: &Replacing| bound.check(&path.to_string(), replacing);
            let put =
                backup::import_at(database, [input], &path, only_adds, allow, naming, &monitor);
            put.map_err(|error| match error {
                Error::Exists(_) => Problem::from(error).of_appending(only_adds),
                other => Problem::of_backup(other),
            })
        };
        self.writing(work).await
    }

    /// What a version is to be called; refused before anything is taken if it cannot be.
    async fn naming(
        self: &Arc<Self>,
        asker: &Asker,
        name: Option<(String, BTreeMap<String, String>)>,
    ) -> Result<Option<Naming>, Problem> {
        let Some((name, metadata)) = name else { return Ok(None) };
        asker.need(Scope::Snapshot)?;
        let naming = Naming { name, metadata };
        let name = naming.name.clone();
        let there = move |service: &Arc<Self>| Ok(service.reader()?.snapshot(&name)?.is_some());
        match self.blocking(there).await? {
            true => Err(Error::Exists(format!("snapshot {}", naming.name)).into()),
            false => Ok(Some(naming)),
        }
    }
}
