//! Exports and patches that are written to the backup directory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::Error;
use aeordb::backup;
use aeordb::encryption::Recipients;
use aeordb_age::Readers;
use aeordb_api::backups::{Export, NewExport, NewPatch, Patch};

use super::problem::Problem;
use super::{Cancelled, Service, named};

/// No backup is meant for more.
const READERS_MAX: usize = 64;

impl Service {
    /// Writes an export to the backup directory.
    pub async fn write_export(self: &Arc<Self>, wanted: NewExport) -> Result<Export, Problem> {
        let NewExport { output, snapshot, hash, encrypt_to } = wanted;
        let permit = self.export_permit()?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        let written = self.blocking(move |service| {
            let _permit = permit;
            let readers = readers(&encrypt_to)?;
            let whose = readers.as_ref().map(|readers| readers as &dyn Recipients);
            let mut file = service.backups.create(&output)?;
            let reader = service.database.reader()?;
            let version = named(&reader, hash.as_deref(), snapshot.as_deref())?;
            let report = backup::export_for(&reader, &version, whose, &mut file, &monitor)?;
            service.backups.publish(file, &output)?;
            service.counters.last_export.store(service.seconds(), Relaxed);
            Ok(Export::new(&report, &output))
        });
        written.await
    }

    /// Writes a patch to the backup directory.
    pub async fn write_patch(self: &Arc<Self>, wanted: NewPatch) -> Result<Patch, Problem> {
        let NewPatch { output, from, to, encrypt_to } = wanted;
        let permit = self.export_permit()?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        let written = self.blocking(move |service| {
            let _permit = permit;
            let readers = readers(&encrypt_to)?;
            let whose = readers.as_ref().map(|readers| readers as &dyn Recipients);
            let mut file = service.backups.create(&output)?;
            let reader = service.database.reader()?;
            let from = reader.resolve(&from)?;
            let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
            let report = backup::diff_for(&reader, (&from, &to), whose, &mut file, &monitor)?;
            service.backups.publish(file, &output)?;
            service.counters.last_patch.store(service.seconds(), Relaxed);
            Ok(Patch::new(&report, &output))
        });
        written.await
    }
}

/// Those who are named, each by a key: what is no key is the name of no file here.
fn readers(texts: &[String]) -> aeordb::Result<Option<Readers>> {
    match texts {
        [] => Ok(None),
        many if many.len() > READERS_MAX => Err(Error::Limit {
            what: "the number of recipients".into(),
            limit: READERS_MAX as u64,
            found: many.len() as u64,
        }),
        texts => Readers::named(texts.iter().map(String::as_str)).map(Some),
    }
}
