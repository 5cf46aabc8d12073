//! `put` through a server.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;
use std::sync::Arc;

use aeordb::Error;
use aeordb::db::{Database, Naming};
use aeordb::error::Context;
use aeordb::files::{PutOptions, PutReport};
use aeordb::hash::VersionId;
use aeordb::monitor::Monitor;
use aeordb::object::Name;
use aeordb_api::table::{CreateSnapshot, ReadQuery};
use aeordb_api::versions::NewSnapshot;
use aeordb_client::tree;

use super::{Server, create};
use crate::app::Opened;
use crate::cmd;
use crate::cmd::put::Plan;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::Target;
use crate::out::Out;

impl Server {
    /// Makes the put here, over the outline of what is there, and sends what it comes to.
    pub fn attempt(
        &self,
        plan: &Plan,
        options: &PutOptions,
        monitor: &Arc<Monitor>,
        out: Option<(&mut Out, bool)>,
    ) -> Attempt<PutReport> {
        let (client, path, scratch) = (&self.client, &plan.changes, std::env::temp_dir());
        let outline = tree::outline(client, path, &ReadQuery::default()).about(Subject::Path);
        let (opened, known) = match outline {
            // A key that may not read what is there: if something is, the server says so.
            Err(failure) if exit::is_denied(&failure.error) => {
                (Opened::nothing(LocalPath::new(client.base()))?, None)
            }
            outline => {
                let outline = outline?;
                let known = outline.from;
                let file = create(std::slice::from_ref(&scratch)).about(Subject::Local)?;
                (Opened::of(outline.open(client, file, monitor)?)?, Some(known))
            }
        };
        let from = opened.reader.head();
        let over = Database::over(&opened.reader, from, Some(&scratch), client.options())?;
        let mut report = cmd::put::load(plan, &over, options, monitor, out)?;
        if let Some(head) = known.filter(|_| report.version == from) {
            (report.version, report.previous, report.new_bytes) = (head, head, 0);
            if let Some(naming) = &options.snapshot {
                self.name(head, naming.clone()).about(Subject::Snapshot)?;
            }
            return Ok(report);
        }
        let naming = options.snapshot.as_ref();
        let stored =
            tree::put(client, path, over.reader()?, (from, report.version), naming, monitor);
        let stored = stored.map_err(|error| match (error, known) {
            (Error::Changed { .. }, None) => aeordb_client::denied(
                "something is there, and this key may not read it: it needs the scope read",
            ),
            (error, _) => error,
        });
        let stored = stored.map_err(|error| match error {
            Error::Exists(what) if what.starts_with("snapshot ") => {
                Failure { error: Error::Exists(what), subject: Subject::Snapshot }
            }
            error => Failure { error, subject: Subject::Path },
        })?;
        report.version = stored.version.into();
        report.previous = stored.previous.into();
        report.new_bytes = stored.new_bytes;
        Ok(report)
    }

    /// Names the version that is there already.
    fn name(&self, version: VersionId, naming: Naming) -> aeordb::Result<()> {
        let Naming { name, metadata } = naming;
        let new = NewSnapshot { name, version: Some(version.to_string()), metadata };
        self.client.call::<CreateSnapshot>(&new, &[]).map(drop)
    }

    /// Where it is put, and the path in which something changes then: of one file, its own, so that
    /// the outline of a directory around it is not asked for.
    pub fn place(&self, plan: Plan) -> Attempt<Plan> {
        let is_file = |local: &&LocalPath| fs::metadata(local).is_ok_and(|found| !found.is_dir());
        let local = match plan.only_local().filter(is_file) {
            Some(local) if self.is_directory(&plan.target)? => local,
            _ => return Ok(plan),
        };
        let whole = fs::canonicalize(local).context(|| format!("looking at {}", local.display()));
        let whole = whole.about(Subject::Local)?;
        let name = whole.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        let changes = plan.target.path.join(&Name::new(name)?)?;
        let target = Target { is_directory: true, ..plan.target };
        Ok(Plan { target, changes, ..plan })
    }
}
