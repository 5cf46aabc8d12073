//! The files of one import, each of which must start where the one before it ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path as LocalPath, PathBuf};

use crate::backup::import::copy::Copied;
use crate::backup::listing::sum_of;
use crate::backup::sealed_file::open;
use crate::db::{Database, FileKind, Writer};
use crate::error::{BrokenChain, Context, Error, Result};
use crate::format::superblock::{SUPERBLOCK_LEN, Superblock};
use crate::hash::{Hash, VersionId};
use crate::media::elsewhere::is_elsewhere;
use crate::media::{self, InOrder, open_read};
use crate::object::Version;

/// An export or a patch to import.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// A file that somebody else opened, and its name in errors.
    Opened(String, File),
    /// Bytes that come in order: one file, or several one after another. Each says itself where it
    /// ends.
    Stream(Box<dyn Read + Send>),
}

impl From<&str> for Input {
    fn from(path: &str) -> Input {
        Input::File(path.into())
    }
}

impl From<&LocalPath> for Input {
    fn from(path: &LocalPath) -> Input {
        Input::File(path.into())
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Input {
        Input::File(path)
    }
}

/// Bytes that are enough to be read at once.
const BUFFER_LEN: usize = 64 * 1024;

impl Input {
    /// Its name in errors.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Opened(name, _) => name.clone(),
            Input::Stream(_) => "the input".into(),
        }
    }

    /// True if there is only one file in it.
    pub fn is_one(&self) -> bool {
        !matches!(self, Input::Stream(_))
    }

    /// Opens it for reading; with a database, what is imported must be another file.
    pub fn open(self, database: Option<&Database>) -> Result<Box<dyn BufRead + Send>> {
        let (file, name) = match self {
            Input::Stream(stream) => {
                return Ok(Box::new(BufReader::with_capacity(BUFFER_LEN, stream)));
            }
            Input::File(path) if is_elsewhere(&path) => {
                let stream = media::stream(open_read(&path)?);
                return Ok(Box::new(BufReader::with_capacity(BUFFER_LEN, stream)));
            }
            Input::File(path) => open(&path)?,
            Input::Opened(name, file) => (file, name),
        };
        let metadata = file.metadata().context(|| format!("looking at {name}"))?;
        if database.is_some_and(|database| database.is_same_file(&metadata)) {
            return Err(Error::invalid(format!("{name} is the database itself")));
        }
        Ok(Box::new(BufReader::with_capacity(BUFFER_LEN, file)))
    }
}

/// What the head of a sealed file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The file's name.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// The version that a patch starts from.
    pub base: Option<VersionId>,
    /// The version that it holds or leads to.
    pub target: VersionId,
    /// Features that whoever reads it must know.
    pub required: u64,
}

impl Head {
    /// What a superblock says.
    pub fn new(name: impl Into<String>, superblock: &Superblock) -> Head {
        let kind = superblock.file_kind().unwrap_or(FileKind::Export);
        let base = (kind == FileKind::Patch).then(|| VersionId(Hash::new(superblock.base)));
        let target = VersionId(Hash::new(superblock.target));
        let required = superblock.features();
        Head { name: name.into(), kind, base, target, required }
    }

    /// Reads the head of a file; `None` if it is not a sealed file.
    pub fn read(path: &LocalPath) -> Result<Option<Head>> {
        let media = open_read(path)?;
        Head::read_from(InOrder { media, at: 0 }, path.display().to_string())
    }

    /// Reads the head of what is called `name`; `None` if it is not a sealed file.
    pub fn read_from(input: impl Read, name: String) -> Result<Option<Head>> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK_LEN);
        input
            .take(SUPERBLOCK_LEN as u64)
            .read_to_end(&mut bytes)
            .context(|| format!("reading {name}"))?;
        let superblock = Superblock::parse(&name, 0, &bytes).ok();
        let sealed = superblock.filter(|one| one.file_kind() != Some(FileKind::Database));
        Ok(sealed.map(|superblock| Head::new(name, &superblock)))
    }
}

/// Holds the files that can be looked at beforehand against each other, so that a chain that is
/// broken fails before anything is copied. Gives what is known of each.
pub fn look_ahead(inputs: &[Input]) -> Result<Vec<Option<Head>>> {
    let heads: Vec<Option<Head>> = inputs
        .iter()
        .map(|input| match input {
            Input::File(path) => Head::read(path),
            Input::Opened(..) | Input::Stream(_) => Ok(None),
        })
        .collect::<Result<_>>()?;
    for pair in heads.windows(2) {
        if let [Some(before), Some(head)] = pair {
            follows(before, head, &heads)?;
        }
    }
    Ok(heads)
}

/// [`Error::BrokenChain`] if a file does not start where the one before it ends.
pub fn follows(before: &Head, head: &Head, all: &[Option<Head>]) -> Result<()> {
    let Some(base) = head.base.filter(|base| *base != before.target) else { return Ok(()) };
    let mut others = all.iter().flatten().filter(|other| other.name != head.name);
    let belongs_before = others.find(|other| other.target == base);
    Err(Error::from(BrokenChain {
        file: head.name.clone(),
        base,
        after: before.name.clone(),
        found: before.target,
        misplaced: belongs_before.map(|other| other.name.clone()),
    }))
}

/// The files that were taken so far.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
}

struct Link {
    head: Head,
    copied: Copied,
}

impl Chain {
    /// Adds a file that was copied.
    pub fn push(&mut self, head: Head, copied: Copied) {
        self.links.push(Link { head, copied });
    }

    /// The last file.
    pub fn last(&self) -> Option<&Head> {
        self.links.last().map(|link| &link.head)
    }

    /// The first file.
    pub fn first(&self) -> Option<&Head> {
        self.links.first().map(|link| &link.head)
    }

    /// The sum of a count over all files.
    pub fn sum(&self, count: impl Fn(&Copied) -> u64) -> u64 {
        self.links.iter().map(|link| count(&link.copied)).fold(0, u64::saturating_add)
    }

    /// Holds the counts and changes that the files promise against the versions that they lead to.
    pub fn check(&self, writer: &Writer<'_>) -> Result<()> {
        self.links.iter().try_for_each(|link| link.check(writer))
    }
}

impl Link {
    fn lie(&self, what: &str, promised: u64, found: u64) -> Error {
        let detail = format!("it promises {promised} {what}, there are {found}");
        Error::damaged(self.head.name.clone(), self.copied.closing.offset.get(), detail)
    }

    fn check(&self, writer: &Writer<'_>) -> Result<()> {
        let closing = &self.copied.closing;
        let Some(base) = self.head.base else {
            let totals = Version::read(writer, &self.head.target)?.totals;
            let pairs = [
                ("files", closing.files.get(), totals.files),
                ("directories", closing.directories.get(), totals.directories),
            ];
            let lie = pairs.into_iter().find(|(_, promised, found)| promised != found);
            return lie
                .map_or(Ok(()), |(what, promised, found)| Err(self.lie(what, promised, found)));
        };
        // Where another version served in place of the base, there is nothing to hold it against.
        let listed = self.copied.sum;
        let sum = match sum_of(writer, &base, &self.head.target, listed.changes) {
            Err(Error::NotFound(_)) => return Ok(()),
            sum => sum?,
        };
        if let Some((what, promised, found)) = listed.contradiction(closing) {
            return Err(self.lie(what, promised, found));
        }
        if sum != listed {
            let detail = "its list of changes is not what its versions differ in";
            let name = self.head.name.clone();
            return Err(Error::damaged(name, closing.offset.get(), detail));
        }
        Ok(())
    }
}
