//! A database, export or patch that is a file of this machine.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use aeordb::backup::{self, ImportOptions};
use aeordb::files::{self, PutOptions, Source};
use aeordb::media::NewFile;
use aeordb::object::{Item, Path};
use aeordb::{Database, Error, Monitor, Options, Reader, Result, VersionId, gc};
use aeordb_api::backups::{Export, Import, Info, Patch};
use aeordb_api::command::{Get, Put};
use aeordb_api::files::Edit;
use aeordb_api::item::{PathEntry, Stat};
use aeordb_api::jobs::{Collection, Verification};
use aeordb_api::library::Describe;
use aeordb_api::versions::{Change, HistoryEntry, PathVersion, Promotion, Snapshot};

use crate::content::{self, Content};
use crate::home::{Between, Home};
use crate::pages::Showing;
use crate::wishes::{GetWish, ImportWish, PutWish};

/// The file.
pub struct File {
    database: Database,
    path: PathBuf,
}

impl File {
    /// Opens it; for writing, it is made where it is not.
    pub fn open(path: PathBuf, readonly: bool, patches: &[PathBuf]) -> Result<Self> {
        let options = Options::default();
        let database = match (readonly, patches) {
            (true, []) => Database::open(&path, &options)?,
            (true, patches) => {
                let (scratch, monitor) = (std::env::temp_dir(), Monitor::new());
                backup::open_with(&path, patches, &scratch, &options, &monitor)?
            }
            (false, []) => Database::open_or_create(&path, &options)?,
            (false, _) => {
                let why = "patches lie on what is only read: readonly=True, or import them";
                return Err(Error::invalid(why));
            }
        };
        Ok(File { database, path })
    }

    fn at(&self, version: &str) -> Result<(Reader, VersionId)> {
        let reader = self.database.reader()?;
        let version = reader.resolve_or_time(version)?;
        Ok((reader, version))
    }

    fn item(&self, path: &Path, version: &str) -> Result<(Reader, VersionId, Item)> {
        let (reader, version) = self.at(version)?;
        let item = reader.item(&version, path)?;
        let item = item.ok_or_else(|| Error::not_found(format!("{path} in version {version}")))?;
        Ok((reader, version, item))
    }

    /// The versions of a difference, and who reads them.
    fn ends(&self, between: &Between) -> Result<(Reader, VersionId, VersionId)> {
        let Between { from, to, path } = between;
        let reader = self.database.reader()?;
        let ends = [reader.resolve_or_time(from)?, reader.resolve_or_time(to)?];
        part(reader, ends, path.as_ref()).map(|(reader, [from, to])| (reader, from, to))
    }

    /// What must not be written over.
    fn protected(&self) -> Vec<(u64, u64)> {
        let found = std::fs::metadata(&self.path);
        found.map(|found| vec![(found.dev(), found.ino())]).unwrap_or_default()
    }
}

/// What is at a path in each of these versions; without one, the versions.
fn part<const N: usize>(
    reader: Reader,
    versions: [VersionId; N],
    path: Option<&Path>,
) -> Result<(Reader, [VersionId; N])> {
    let Some(path) = path else { return Ok((reader, versions)) };
    let (reader, parts) = backup::subtree(&reader, &versions, path)?;
    // There is one part for each version.
    Ok((reader, parts.try_into().unwrap_or(versions)))
}

fn entry(describe: &mut Describe<'_>, path: &Path, item: &Item) -> PathEntry {
    PathEntry::new(path.as_bytes(), describe.item(item))
}

impl Home for File {
    fn resolve(&self, name: &str) -> Result<String> {
        Ok(self.at(name)?.1.to_string())
    }

    fn stat(&self, path: &Path, version: &str) -> Result<Stat> {
        let (reader, version, item) = self.item(path, version)?;
        let entry = entry(&mut Describe::new(&reader), path, &item);
        Ok(Stat { entry, version: version.into() })
    }

    fn open(&self, path: &Path, version: &str) -> Result<Content> {
        let (reader, _, item) = self.item(path, version)?;
        let Item::File(record) = item else {
            return Err(Error::invalid(format!("{path} is not a file")));
        };
        Ok(Content::new(record.size, content::Source::File(Box::new(reader.file(&record)))))
    }

    fn entries(&self, path: Path, version: &str, recursive: bool) -> Result<Showing<PathEntry>> {
        let (reader, version) = self.at(version)?;
        reader.directory(&version, &path)?;
        Ok(Box::new(move |each| {
            let mut describe = Describe::new(&reader);
            if recursive {
                for found in reader.walk(&version, &path)? {
                    let (path, item) = found?;
                    if !each(entry(&mut describe, &path, &item))? {
                        break;
                    }
                }
                return Ok(());
            }
            for found in reader.list(&version, &path, None)? {
                let (name, item) = found?;
                if !each(entry(&mut describe, &path.join(&name)?, &item))? {
                    break;
                }
            }
            Ok(())
        }))
    }

    fn write(
        &self,
        path: &Path,
        bytes: Box<dyn Read + Send>,
        content_type: Option<String>,
    ) -> Result<String> {
        let options = PutOptions { content_type, ..PutOptions::default() };
        if let Some(Item::Directory(_)) = self.database.reader()?.item(&self.at("HEAD")?.1, path)? {
            return Err(Error::invalid(format!("{path} is a directory")));
        }
        let (sources, monitor) = ([Source::Stream(bytes)], Monitor::new());
        let put = files::put(&self.database, sources, path, false, &options, &monitor)?;
        Ok(put.version.to_string())
    }

    fn put(
        &self,
        locals: Vec<PathBuf>,
        to: Path,
        inside: bool,
        wish: &PutWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Put> {
        let options = wish.options()?;
        let report = files::put(&self.database, locals, &to, inside, &options, monitor)?;
        let snapshot = options.snapshot.map(|naming| naming.name);
        Ok(Put { snapshot, ..(&report).into() })
    }

    fn get(
        &self,
        path: Path,
        version: &str,
        local: PathBuf,
        wish: &GetWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Get> {
        let (reader, version) = self.at(version)?;
        let options = wish.options(self.protected())?;
        Ok((&files::get(&reader, &version, path, local, &options, monitor)?).into())
    }

    fn remove(&self, paths: &[Path], recursive: bool) -> Result<Edit> {
        Ok((&self.database.remove(paths, recursive)?).into())
    }

    fn rename(&self, from: &Path, to: &Path, force: bool) -> Result<Edit> {
        Ok((&self.database.rename(from, to, force)?).into())
    }

    fn copy(&self, from: &Path, version: &str, to: &Path, force: bool) -> Result<Edit> {
        let version = self.at(version)?.1;
        Ok((&self.database.copy(&version, from, to, force)?).into())
    }

    fn snapshots(&self) -> Result<Showing<Snapshot>> {
        let snapshots = self.database.reader()?.snapshots()?;
        Ok(Box::new(move |each| {
            for snapshot in &snapshots {
                if !each(snapshot.into())? {
                    break;
                }
            }
            Ok(())
        }))
    }

    fn snapshot(
        &self,
        name: &str,
        version: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let version = self.database.reader()?.resolve(version)?;
        Ok((&self.database.create_snapshot(name, &version, metadata)?).into())
    }

    fn delete_snapshot(&self, name: &str) -> Result<()> {
        self.database.delete_snapshot(name).map(drop)
    }

    fn history(&self) -> Result<Showing<HistoryEntry>> {
        let reader = self.database.reader()?;
        Ok(Box::new(move |each| {
            for entry in reader.history()? {
                if !each((&entry?).into())? {
                    break;
                }
            }
            Ok(())
        }))
    }

    fn log(&self, path: Path) -> Result<Showing<PathVersion>> {
        let reader = self.database.reader()?;
        Ok(Box::new(move |each| {
            let traced = reader.trace(&path, &Monitor::new())?;
            if traced.is_empty() {
                return Err(Error::not_found(path.to_string()));
            }
            let mut describe = Describe::new(&reader);
            for traced in traced {
                let Some(version) = describe.traced(&path, traced) else { continue };
                if !each(version)? {
                    break;
                }
            }
            Ok(())
        }))
    }

    fn changes(&self, between: Between) -> Result<Showing<Change>> {
        let (reader, from, to) = self.ends(&between)?;
        Ok(Box::new(move |each| {
            let mut describe = Describe::new(&reader);
            let mut over = false;
            let shown = backup::changes(&reader, &from, &to, &mut |change| {
                over = !each(describe.change(&change))?;
                if over { Err(Error::Interrupted) } else { Ok(()) }
            });
            match shown {
                Err(Error::Interrupted) if over => Ok(()),
                shown => shown.map(drop),
            }
        }))
    }

    fn export(
        &self,
        version: &str,
        path: Option<&Path>,
        output: &LocalPath,
        monitor: &Arc<Monitor>,
    ) -> Result<Export> {
        let (reader, version) = self.at(version)?;
        let (reader, [version]) = part(reader, [version], path)?;
        let mut new = NewFile::create(output)?;
        let report = backup::export(&reader, &version, &mut new, monitor)?;
        new.publish()?;
        Ok(Export::new(&report, &output.to_string_lossy()))
    }

    fn patch(
        &self,
        between: &Between,
        output: &LocalPath,
        monitor: &Arc<Monitor>,
    ) -> Result<Patch> {
        let (reader, from, to) = self.ends(between)?;
        let mut new = NewFile::create(output)?;
        let report = backup::diff(&reader, &from, &to, &mut new, monitor)?;
        new.publish()?;
        Ok(Patch::new(&report, &output.to_string_lossy()))
    }

    fn import(
        &self,
        files: Vec<PathBuf>,
        wish: &ImportWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Import> {
        let options = ImportOptions {
            promote: wish.promote,
            force: wish.force,
            expect: None,
            snapshot: wish.snapshot.clone(),
            merge: wish.merge()?,
            undo: wish.undo.clone(),
        };
        Ok((&backup::import(&self.database, files, &options, monitor)?).into())
    }

    fn promote(&self, version: &str, expect: Option<&str>) -> Result<Promotion> {
        let reader = self.database.reader()?;
        let version = reader.resolve(version)?;
        let expect = expect.map(|name| reader.resolve(name)).transpose()?;
        Ok((&self.database.promote(&version, expect.as_ref())?).into())
    }

    fn info(&self) -> Result<Info> {
        Ok((&backup::info(&self.path)?).into())
    }

    fn verify(&self, deep: bool, monitor: &Arc<Monitor>) -> Result<Verification> {
        Ok((&backup::verify(&self.path, deep, monitor)?).into())
    }

    fn collect(&self, dry_run: bool, monitor: &Arc<Monitor>) -> Result<Collection> {
        Ok(Collection::new(&gc::collect(&self.database, dry_run, monitor)?, dry_run))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.database.close()
    }
}
