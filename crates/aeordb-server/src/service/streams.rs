//! Exports, patches and archives that are made while they are read.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::backup;
use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::monitor::Monitor;
use aeordb::object::Path;
use tokio::sync::OwnedSemaphorePermit;

use super::counters::Counters;
use super::permits::Taken;
use super::problem::Problem;
use super::{Asker, Service, named};

/// Writes a stream.
type Make = Box<dyn FnOnce(&mut dyn Write, &Monitor) -> aeordb::Result<()> + Send>;

/// What a stream takes of what few may have at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// A place among the exports: whoever finds none is sent away.
    Exports,
    /// A place among the uploads: whoever finds none waits.
    Uploads,
}

/// A place that is taken, free again when this is dropped.
#[derive(Debug)]
pub enum Permit {
    /// One among the exports.
    Export(OwnedSemaphorePermit),
    /// One among the uploads.
    Upload(Taken),
}

/// Bytes that can be written to whoever asked.
pub struct Stream {
    /// The version that they show.
    pub version: VersionId,
    /// The name that a file of them would have.
    pub name: Option<String>,
    /// The place that it needs while it is written.
    pub share: Share,
    make: Make,
}

impl Stream {
    pub(crate) fn new(
        share: Share,
        version: VersionId,
        make: impl FnOnce(&mut dyn Write, &Monitor) -> aeordb::Result<()> + Send + 'static,
    ) -> Self {
        Stream { version, name: None, share, make: Box::new(make) }
    }

    pub(crate) fn export(
        version: VersionId,
        make: impl FnOnce(&mut dyn Write, &Monitor) -> aeordb::Result<()> + Send + 'static,
    ) -> Self {
        Self::new(Share::Exports, version, make)
    }

    /// Writes all of them; may wait for the disk, and for whoever reads.
    pub fn write(
        self,
        counters: &Counters,
        out: &mut dyn Write,
        monitor: &Monitor,
    ) -> aeordb::Result<()> {
        let _counted = UnderWay::new(counters);
        (self.make)(out, monitor)
    }
}

/// A stream under way, until it ends in whatever way.
struct UnderWay<'a>(&'a Counters);

impl<'a> UnderWay<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.streams.fetch_add(1, Relaxed);
        UnderWay(counters)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

impl Service {
    /// An export of the version of this hash or snapshot, or of HEAD; or of what is at `path` in it.
    pub async fn export(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        hash: Option<String>,
        snapshot: Option<String>,
        path: Option<Path>,
    ) -> Result<Stream, Problem> {
        self.blocking(move |service| {
            let version = named(&reader, hash.as_deref(), snapshot.as_deref())?;
            reader.version(&version)?;
            let (reader, [version]) = part(&reader, [version], path)?;
            let service = service.clone();
            let stream = Stream::export(version, move |out, monitor| {
                backup::export(&reader, &version, out, monitor)?;
                service.counters.last_export.store(service.seconds(), Relaxed);
                Ok(())
            });
            Ok(Stream { name: Some(format!("{}.aeordb", short(&version))), ..stream })
        })
        .await
    }

    /// A patch from one version to another, or to HEAD; or between what is at `path` in them.
    pub async fn patch(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        from: String,
        to: Option<String>,
        path: Option<Path>,
    ) -> Result<Stream, Problem> {
        self.blocking(move |service| {
            let from = reader.resolve(&from)?;
            let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
            let (reader, [from, to]) = part(&reader, [from, to], path)?;
            let service = service.clone();
            let stream = Stream::export(to, move |out, monitor| {
                backup::diff(&reader, &from, &to, out, monitor)?;
                service.counters.last_patch.store(service.seconds(), Relaxed);
                Ok(())
            });
            Ok(Stream { name: Some(format!("{}-{}.aeordb", short(&from), short(&to))), ..stream })
        })
        .await
    }

    /// Takes the place that a stream needs while it is written.
    pub async fn permit(&self, asker: &Asker, share: Share) -> Result<Permit, Problem> {
        match share {
            Share::Exports => self.export_permit().map(Permit::Export),
            Share::Uploads => self.uploads.take(&asker.key, 1).await.map(Permit::Upload),
        }
    }

    /// A place among the exports that are made at once.
    pub(super) fn export_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.exports
            .clone()
            .try_acquire_owned()
            .map_err(|_| Problem::busy("as many exports as the server makes at once are under way"))
    }
}

/// Versions, or what is at a path in each of them.
pub(super) fn part<const N: usize>(
    reader: &Reader,
    versions: [VersionId; N],
    path: Option<Path>,
) -> aeordb::Result<(Reader, [VersionId; N])> {
    let Some(path) = path else { return Ok((reader.clone(), versions)) };
    let (reader, parts) = backup::subtree(reader, &versions, &path)?;
    // There is one part for each version.
    Ok((reader, parts.try_into().unwrap_or(versions)))
}

fn short(version: &VersionId) -> String {
    version.to_string().chars().take(12).collect()
}
