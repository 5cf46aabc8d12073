//! What a database shows, and whether all of it is sound.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path as LocalPath;

use aeordb::backup;
use aeordb::db::{Database, Options, Reader};
use aeordb::hash::VersionId;
use aeordb::monitor::Monitor;
use aeordb::object::{FileRecord, Item, Path};

use crate::error::{Doing, Error, Outcome};

/// How far the two superblocks are apart.
const SUPERBLOCK_LEN: u64 = 4096;

/// What the keys of unfinished puts begin with.
const KEPT: &[u8] = b"unfinished/";

/// Files by their paths: a directory, a link or bytes.
pub type Tree = BTreeMap<String, Node>;

/// What is at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    Directory,
    Link(Vec<u8>),
    File(Vec<u8>),
}

/// What the roots of a database say. Versions are named by their content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub head: VersionId,
    pub snapshots: Vec<(String, VersionId)>,
    pub history: Vec<(VersionId, String, bool)>,
    pub keys: usize,
    /// What else is said of snapshots: their metadata, and whether they are held.
    pub said: Vec<(BTreeMap<String, String>, bool)>,
}

impl Seen {
    /// True if both name the same versions, whatever history says of how they came about. A key
    /// that is made twice is two keys.
    pub fn leads_where(&self, other: &Seen) -> bool {
        (self.head, &self.snapshots) == (other.head, &other.snapshots)
            && self.said == other.said
            && self.keys >= other.keys
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |version: &VersionId| version.to_string().chars().take(8).collect::<String>();
        let snapshots = self.snapshots.iter().map(|(name, id)| format!("{name}={}", short(id)));
        let history = self.history.iter().map(|(id, what, promoted)| {
            format!("{}:{what}{}", short(id), if *promoted { "" } else { " (aside)" })
        });
        let [snapshots, history] = [snapshots.collect::<Vec<_>>(), history.take(5).collect()];
        let (snapshots, history) = (snapshots.join(" "), history.join(" "));
        let (head, entries, keys) = (short(&self.head), self.history.len(), self.keys);
        write!(f, "[HEAD {head}; {snapshots}; {entries} before: {history}; {keys} keys]")
    }
}

/// A database, or that there is none.
pub type State = Option<Seen>;

/// What a database shows, once every entry of it was hashed and every version proved. Looking
/// must not change a byte. One superblock may be `torn`: verify says so, and the other counts.
pub fn look(database: &LocalPath, torn: bool) -> Outcome<State> {
    if !database.exists() {
        return Ok(None);
    }
    let read = || fs::read(database).doing_to("cannot read", database);
    let before = read()?;
    sound_but_for_a_slot(database, torn)?;
    let opened = open(database)?;
    let reader = opened.reader()?;
    let snapshots = reader.snapshots()?;
    let seen = Seen {
        head: reader.head(),
        said: snapshots.iter().map(|one| (one.metadata.clone(), one.held)).collect(),
        snapshots: snapshots.into_iter().map(|one| (one.name, one.version)).collect(),
        history: reader
            .history()?
            .map(|entry| entry.map(|entry| (entry.version, entry.what, entry.promoted)))
            .collect::<aeordb::Result<_>>()?,
        // What a put keeps that was disturbed is seen by nobody.
        keys: reader.system(b"")?.iter().filter(|(key, _)| !key.starts_with(KEPT)).count(),
    };
    drop((reader, opened));
    match read()? == before {
        true => Ok(Some(seen)),
        false => Err(Error::new("a reader changed the file")),
    }
}

/// What `verify --deep` finds wrong with a database, an export or a patch is an error.
pub fn sound(file: &LocalPath) -> Outcome<()> {
    sound_but_for_a_slot(file, false)
}

fn sound_but_for_a_slot(file: &LocalPath, torn: bool) -> Outcome<()> {
    let report = backup::verify(file, true, &Monitor::new())?;
    let slots = [0, SUPERBLOCK_LEN];
    let is_slot = |offset| torn && report.damages.len() == 1 && slots.contains(&offset);
    match report.damages.first().filter(|damage| !is_slot(damage.offset)) {
        None => Ok(()),
        Some(damage) => {
            let (at, what) = (damage.offset, &damage.what);
            Err(Error::new(format!("{}: damage at {at}: {what}", file.display())))
        }
    }
}

fn open(database: &LocalPath) -> Outcome<Database> {
    Ok(Database::open(database, &Options { workers: 1, ..Options::default() })?)
}

/// The tree of HEAD, and of each snapshot by its name, every byte of them.
pub fn trees(database: &LocalPath) -> Outcome<(Tree, BTreeMap<String, Tree>)> {
    let opened = open(database)?;
    let reader = opened.reader()?;
    let mut named = BTreeMap::new();
    for snapshot in reader.snapshots()? {
        named.insert(snapshot.name, tree(&reader, &snapshot.version)?);
    }
    Ok((tree(&reader, &reader.head())?, named))
}

fn tree(reader: &Reader, version: &VersionId) -> Outcome<Tree> {
    let mut tree = Tree::new();
    for entry in reader.walk(version, &Path::root())? {
        let (path, item) = entry?;
        let node = match item {
            Item::File(record) => Node::File(bytes(reader, &record)?),
            Item::Symlink(link) => Node::Link(link.target),
            Item::Directory(_) => Node::Directory,
            Item::Special(_) => continue,
        };
        tree.insert(path.to_string(), node);
    }
    tree.remove("/");
    Ok(tree)
}

fn bytes(reader: &Reader, record: &FileRecord) -> Outcome<Vec<u8>> {
    let mut file = reader.file(record);
    let mut bytes = Vec::new();
    loop {
        let next = file.next_bytes()?;
        if next.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&next);
    }
}

/// The tree below a local directory.
pub fn local(directory: &LocalPath) -> Outcome<Tree> {
    let mut tree = Tree::new();
    let mut waiting = vec![(String::new(), directory.to_owned())];
    while let Some((above, directory)) = waiting.pop() {
        for entry in fs::read_dir(&directory).doing_to("cannot list", &directory)? {
            let entry = entry.doing_to("cannot list", &directory)?;
            let local = entry.path();
            let path = format!("{above}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().doing_to("cannot look at", &local)?;
            let node = if kind.is_dir() {
                waiting.push((path.clone(), local));
                Node::Directory
            } else if kind.is_symlink() {
                use std::os::unix::ffi::OsStringExt;
                let target = fs::read_link(&local).doing_to("cannot read", &local)?;
                Node::Link(target.into_os_string().into_vec())
            } else {
                Node::File(fs::read(&local).doing_to("cannot read", &local)?)
            };
            tree.insert(path, node);
        }
    }
    Ok(tree)
}

/// The mode and the time of a file below a local directory.
pub fn attributes(directory: &LocalPath, path: &str) -> Outcome<(u32, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let local = directory.join(path.trim_start_matches('/'));
    let metadata = fs::symlink_metadata(&local).doing_to("cannot look at", &local)?;
    Ok((metadata.mode(), metadata.mtime(), metadata.mtime_nsec()))
}
