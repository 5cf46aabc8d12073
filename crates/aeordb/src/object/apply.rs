//! Whole paths: looking one up, and changing many in one pass.

use crate::error::{Error, Result};
use crate::hash::{DirectoryId, Kind};
use crate::object::path::Path;
use crate::object::record::{Attributes, Item, Subdirectory};
use crate::object::tree::{self, Directories, Editor};
use crate::object::version::Version;
use crate::store::{AppendEntries, ReadEntries};

/// A root directory: that of a version, or one without attributes.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    root: DirectoryId,
    attributes: Attributes,
}

impl From<&Version> for Root {
    fn from(version: &Version) -> Root {
        Root { root: version.root, attributes: version.attributes }
    }
}

impl From<&DirectoryId> for Root {
    fn from(root: &DirectoryId) -> Root {
        Root { root: *root, attributes: Attributes::default() }
    }
}

/// What is at `path` in the tree below `root`.
pub fn resolve<S: ReadEntries + ?Sized>(
    store: &S,
    root: impl Into<Root>,
    path: &Path,
) -> Result<Option<Item>> {
    let Root { root, attributes } = root.into();
    let mut directory = root;
    let mut found = None;
    for name in path.components() {
        match found.take() {
            None => {}
            Some(Item::Directory(subdirectory)) => directory = subdirectory.root,
            Some(_) => return Ok(None),
        }
        found = lookup(store, &directory, name)?;
        if found.is_none() {
            return Ok(None);
        }
    }
    if path.is_root() {
        let entries = tree::summary::<Directories, S>(store, root.hash())?;
        let directory = Subdirectory { attributes, ..Subdirectory::new(root, entries.totals) };
        return Ok(Some(Item::Directory(directory)));
    }
    Ok(found)
}

fn lookup<S: ReadEntries + ?Sized>(
    store: &S,
    directory: &DirectoryId,
    name: &[u8],
) -> Result<Option<Item>> {
    let value = tree::get::<Directories, S>(store, directory.hash(), name)?;
    value.map(|value| Item::decode(&value)).transpose()
}

/// Applies `changes`, strictly ascending by path, to the tree below `root`: `Some` puts an item
/// in place of whatever is there, `None` removes whatever is there (nothing, if there is nothing).
///
/// A change of a directory comes before the changes below it, so a directory that is put can be
/// filled, and one that is removed can be made anew, in the same pass. Missing parents are made,
/// without attributes. `Invalid` where a file or symbolic link is in the way of a parent, or
/// for the root: anything but a directory.
///
/// The changes are taken one by one: what is held is one open node of each level of each directory
/// on the way to the last change.
pub fn apply<S: AppendEntries + ?Sized>(
    store: &mut S,
    root: impl Into<Root>,
    changes: impl IntoIterator<Item = (Path, Option<Item>)>,
) -> Result<Version> {
    let mut pass = Pass::new(root.into());
    let mut previous: Option<Path> = None;
    for (path, item) in changes {
        if previous.as_ref().is_some_and(|previous| *previous >= path) {
            return Err(Error::invalid(format!("{path} is not above the path before")));
        }
        pass.change(store, &path, item)?;
        previous = Some(path);
    }
    pass.finish(store)
}

/// What stands at a place on the way, now that some changes are done.
enum Place {
    /// Nothing.
    Absent,
    /// A file or symbolic link; with its value, if it was put in this pass.
    Leaf(Option<Vec<u8>>),
    /// A directory as it was, or was put, and the changes of its entries.
    Directory(Box<(Subdirectory, Option<Editor<Directories>>)>),
}

impl Place {
    fn directory(directory: Subdirectory) -> Place {
        Place::Directory(Box::new((directory, None)))
    }
}

struct Frame {
    /// Name in the directory of the frame before; empty for the root.
    name: Vec<u8>,
    place: Place,
    /// Whether what is here is another thing than before, whatever its entries.
    replaced: bool,
}

/// The way from the root to the last change: a frame for each component of its path.
struct Pass {
    root: Frame,
    below: Vec<Frame>,
}

impl Pass {
    fn new(root: Root) -> Pass {
        let Root { root, attributes } = root;
        // The root's totals are counted at the end; nobody looks at these.
        let directory = Subdirectory { attributes, ..Subdirectory::new(root, Default::default()) };
        let place = Place::directory(directory);
        Pass { root: Frame { name: Vec::new(), place, replaced: false }, below: Vec::new() }
    }

    fn top(&mut self) -> &mut Frame {
        self.below.last_mut().unwrap_or(&mut self.root)
    }

    fn change<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        path: &Path,
        item: Option<Item>,
    ) -> Result<()> {
        let shared = self.below.iter().zip(path.components());
        let shared = shared.take_while(|(frame, name)| frame.name == *name).count();
        while self.below.len() > shared {
            self.close(store)?;
        }
        let Some(name) = path.name() else {
            return self.change_root(item);
        };
        let depth = path.components().count();
        for parent in path.components().take(depth - 1).skip(shared) {
            if !self.enter(store, parent, path, item.is_some())? {
                return Ok(());
            }
        }
        if !self.make_directory(path, item.is_some())? {
            return Ok(());
        }
        let place = match item {
            None => Place::Absent,
            Some(Item::Directory(directory)) => {
                // What cannot be encoded is refused here, where the path is known.
                Item::Directory(directory.clone()).encode().map_err(|error| at(path, error))?;
                Place::directory(directory)
            }
            Some(leaf) => Place::Leaf(Some(leaf.encode().map_err(|error| at(path, error))?)),
        };
        self.below.push(Frame { name: name.to_vec(), place, replaced: true });
        Ok(())
    }

    fn change_root(&mut self, item: Option<Item>) -> Result<()> {
        let empty = DirectoryId(tree::empty_root(Kind::Directory));
        let directory = match item {
            None => Subdirectory::new(empty, Default::default()),
            Some(Item::Directory(directory)) => directory,
            Some(_) => return Err(Error::invalid("/ is a directory and stays one")),
        };
        self.root.place = Place::directory(directory);
        Ok(())
    }

    /// Goes down to the entry `name` of the top directory, on the way to `path`. False if there is
    /// no way and none is to be made.
    fn enter<S: AppendEntries + ?Sized>(
        &mut self,
        store: &S,
        name: &[u8],
        path: &Path,
        make: bool,
    ) -> Result<bool> {
        if !self.make_directory(path, make)? {
            return Ok(false);
        }
        // Changes of this name would have left a frame, so what is there is what was there.
        let place = match &self.top().place {
            Place::Directory(open) => match lookup(store, &open.0.root, name)? {
                None => Place::Absent,
                Some(Item::Directory(directory)) => Place::directory(directory),
                Some(_) => Place::Leaf(None),
            },
            _ => Place::Absent,
        };
        self.below.push(Frame { name: name.to_vec(), place, replaced: false });
        Ok(true)
    }

    /// Whether the top is a directory, made if it is to be. `Invalid` if something is in the way.
    fn make_directory(&mut self, path: &Path, make: bool) -> Result<bool> {
        let top = self.top();
        match top.place {
            Place::Directory(_) => Ok(true),
            _ if !make => Ok(false),
            Place::Absent => {
                let empty = DirectoryId(tree::empty_root(Kind::Directory));
                top.place = Place::directory(Subdirectory::new(empty, Default::default()));
                top.replaced = true;
                Ok(true)
            }
            Place::Leaf(_) => {
                let names: Vec<&[u8]> =
                    self.below.iter().map(|frame| frame.name.as_slice()).collect();
                let in_the_way = Path::parse(&names.join(&b'/'))?;
                Err(Error::invalid(format!("{path} cannot be put: {in_the_way} is no directory")))
            }
        }
    }

    /// Leaves the top frame: its directory learns what became of it.
    fn close<S: AppendEntries + ?Sized>(&mut self, store: &mut S) -> Result<()> {
        let Some(Frame { name, place, replaced }) = self.below.pop() else { return Ok(()) };
        let value = match place {
            Place::Leaf(None) => return Ok(()),
            Place::Absent if !replaced => return Ok(()),
            Place::Absent => None,
            Place::Leaf(value) => value,
            Place::Directory(open) => {
                let (before, editor) = *open;
                let mut after = before.clone();
                if let Some(editor) = editor {
                    let built = editor.finish(store)?;
                    after.root = DirectoryId(built.root);
                    after.totals = built.summary.totals.with_itself();
                }
                if after == before && !replaced {
                    return Ok(());
                }
                Some(Item::Directory(after).encode()?)
            }
        };
        if let Place::Directory(open) = &mut self.top().place {
            let (directory, editor) = &mut **open;
            let editor = match editor {
                Some(editor) => editor,
                None => editor.insert(Editor::new(store, directory.root.hash())?),
            };
            editor.push(store, &name, value.as_deref())?;
        }
        Ok(())
    }

    fn finish<S: AppendEntries + ?Sized>(mut self, store: &mut S) -> Result<Version> {
        while !self.below.is_empty() {
            self.close(store)?;
        }
        let (root, summary, attributes) = match self.root.place {
            Place::Directory(open) => match *open {
                (directory, Some(editor)) => {
                    let built = editor.finish(store)?;
                    (DirectoryId(built.root), built.summary, directory.attributes)
                }
                (directory, None) => {
                    let root = directory.root;
                    let summary = tree::summary::<Directories, S>(store, root.hash())?;
                    (root, summary, directory.attributes)
                }
            },
            // The root is never anything else.
            _ => return Ok(Version::empty()),
        };
        Ok(Version { root, totals: summary.totals.with_itself(), attributes })
    }
}

/// Names the path in the error of an item that cannot be stored.
fn at(path: &Path, error: Error) -> Error {
    match error {
        Error::Invalid(detail) => Error::Invalid(format!("{path}: {detail}")),
        Error::Limit { what, limit, found } => {
            Error::Limit { what: format!("{path}: {what}"), limit, found }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
