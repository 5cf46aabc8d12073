//! Paths of HEAD: removed, moved, copied, made directories.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use aeordb::Error;
use aeordb::db::edit::{copy, remove, rename};
use aeordb::db::{Draft, Edit, EditReport, Reader};
use aeordb::hash::VersionId;
use aeordb::object::{Attributes, Item, Path, Subdirectory, Totals};

use super::conditions::Conditions;
use super::problem::Problem;
use super::{Asker, Place, Service, named};

impl Service {
    /// The version that somebody reads: by `version`, or by the name of a snapshot, or HEAD.
    pub async fn version(
        self: &Arc<Self>,
        reader: &Arc<Reader>,
        version: Option<String>,
        snapshot: Option<String>,
    ) -> Result<VersionId, Problem> {
        if version.is_none() && snapshot.is_none() {
            return Ok(reader.head());
        }
        let reader = reader.clone();
        self.blocking(move |_| named(&reader, version.as_deref(), snapshot.as_deref())).await
    }

    /// Removes what is at a path; a directory that holds something only if `recursive`.
    pub async fn remove(
        &self,
        place: Place,
        recursive: bool,
        conditions: Conditions,
    ) -> Result<EditReport, Problem> {
        let edit = Edit::removal("rm", move |draft: &mut Draft<'_, '_>| {
            let found = draft.item(&place.path)?;
            conditions.check(draft, &place.path, found.as_ref())?;
            place.check(found.as_ref())?;
            remove(draft, std::slice::from_ref(&place.path), recursive)
        });
        self.edit(edit).await
    }

    /// Moves what is at `from` to `to`; `force` replaces what is there.
    pub async fn rename(
        &self,
        asker: &Asker,
        from: Place,
        to: Place,
        force: bool,
        conditions: Conditions,
    ) -> Result<EditReport, Problem> {
        if asker.rights.append_only {
            return Err(Problem::forbidden("this key may only append"));
        }
        let edit = Edit::new("mv", move |draft: &mut Draft<'_, '_>| {
            let found = draft.item(&from.path)?;
            conditions.check(draft, &from.path, found.as_ref())?;
            from.check(found.as_ref())?;
            to.check(found.as_ref())?;
            rename(draft, &from.path, &to.path, force)
        });
        self.edit(edit).await
    }

    /// Copies what is at `from`, in HEAD or the version of that name, to `to`; `force` replaces what is
    /// there.
    pub async fn copy(
        self: &Arc<Self>,
        asker: &Asker,
        (version, from): (Option<String>, Place),
        to: Place,
        force: bool,
        conditions: Conditions,
    ) -> Result<EditReport, Problem> {
        if asker.rights.append_only && force {
            return Err(Problem::forbidden("this key may only append"));
        }
        let version = match version {
            None => None,
            Some(name) => {
                let resolve = move |service: &Arc<Self>| Ok(service.reader()?.resolve(&name)?);
                Some(self.blocking(resolve).await?)
            }
        };
        let edit = Edit::new("cp", move |draft: &mut Draft<'_, '_>| {
            let found = match &version {
                Some(version) => Some(draft.item_of(version, &from.path)?),
                None => draft.item(&from.path)?,
            };
            conditions.check(draft, &from.path, found.as_ref())?;
            from.check(found.as_ref())?;
            to.check(found.as_ref())?;
            copy(draft, version.as_ref(), &from.path, &to.path, force)
        });
        self.edit(edit).await
    }

    /// Makes a directory, if there is none; true if there was not.
    pub async fn make_directory(
        &self,
        path: Path,
        conditions: Conditions,
    ) -> Result<(bool, EditReport), Problem> {
        let created: Arc<AtomicBool> = Arc::default();
        let made = created.clone();
        let edit = Edit::new("mkdir", move |draft: &mut Draft<'_, '_>| {
            let found = draft.item(&path)?;
            conditions.check(draft, &path, found.as_ref())?;
            made.store(found.is_none(), Relaxed);
            match found {
                Some(Item::Directory(_)) => Ok(Totals::default()),
                Some(_) => Err(Error::Exists(path.to_string())),
                None => aeordb::db::edit::put(draft, &path, Item::Directory(empty_directory())),
            }
        });
        let report = self.edit(edit).await?;
        Ok((created.load(Relaxed), report))
    }
}

/// A directory without entries.
fn empty_directory() -> Subdirectory {
    Subdirectory::empty(Attributes { mode: Some(0o755), ..Attributes::default() })
}
