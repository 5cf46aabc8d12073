//! What decides in one directory of a local tree: what was chosen, and what the tree itself says there.

use std::io::Read;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::beneath::Tree;
use crate::files::choose::{Choice, Listed, Patterns, PatternsBuilder};
use crate::files::scan::{self, Facts};

/// The file by which a directory says that it is a cache, and how that file begins.
const TAG: &[u8] = b"CACHEDIR.TAG";
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
/// Most bytes of an ignore file.
const IGNORE_FILE_LEN_MAX: u64 = 1024 * 1024;

/// What decides in one directory.
#[derive(Clone)]
pub struct Within {
    choice: Arc<Choice>,
    /// The device of the start, if no other is to be entered.
    device: Option<u64>,
    /// Its path below where the start is put: patterns see that.
    path: PathBuf,
    /// The patterns of the tree, those of the lowest directory first.
    own: Option<Arc<Own>>,
    /// What of it is listed; `None` if all is.
    listed: Option<Listed>,
    /// Nothing of it is chosen but what says so.
    tag: Option<Vec<u8>>,
}

/// Patterns that the tree has.
struct Own {
    patterns: Patterns,
    /// The directory that has them.
    path: PathBuf,
    above: Option<Arc<Own>>,
}

impl Within {
    /// In the directory that a tree starts with, whose facts these are. It is put as `path` below the
    /// target.
    pub fn start(choice: &Arc<Choice>, path: PathBuf, facts: &Facts) -> Self {
        Within {
            device: choice.one_file_system.then(|| facts.device()),
            listed: choice.listed.as_ref().and_then(Listed::unless_whole),
            choice: choice.clone(),
            path,
            own: None,
            tag: None,
        }
    }

    /// In the directory `name` of this one, as far as is known before it is opened.
    pub fn enter(&self, name: &[u8]) -> Self {
        let listed = self.listed.as_ref().and_then(|listed| listed.enter(name));
        Within { path: scan::join(&self.path, name), listed, ..self.clone() }
    }

    /// Whether names decide here.
    pub fn by_name(&self) -> bool {
        self.choice.by_name()
    }

    /// Takes in what the directory says itself, whose names `has` knows. What of that cannot be read
    /// or understood is told.
    pub fn look(
        &mut self,
        tree: &Tree,
        below: &LocalPath,
        has: impl Fn(&[u8]) -> bool,
    ) -> Vec<String> {
        let choice = self.choice.clone();
        let mut told = Vec::new();
        let present = choice.exclude_if_present.iter().find(|name| has(name)).cloned();
        self.tag = present.or_else(|| {
            let is_cache = choice.exclude_caches && has(TAG) && begins_as_tag(tree, below);
            is_cache.then(|| TAG.to_vec())
        });
        for name in choice.ignore_files.iter().filter(|name| has(name)) {
            match ignore_file(tree, &scan::join(below, name), &mut told) {
                Ok(patterns) if patterns.is_empty() => {}
                Ok(patterns) => {
                    let (path, above) = (self.path.clone(), self.own.take());
                    self.own = Some(Arc::new(Own { patterns, path, above }));
                }
                Err(error) => told.push(error.to_string()),
            }
        }
        told
    }

    /// Whether something in this directory is left out because of its name.
    pub fn leaves_out(&self, name: &[u8], is_directory: bool) -> bool {
        if let Some(tag) = &self.tag {
            return name != tag;
        }
        let path = scan::join(&self.path, name);
        if let Some(decided) = self.choice.patterns.leaves_out(&path, is_directory) {
            return decided;
        }
        let mut own = self.own.as_ref();
        while let Some(Own { patterns, path: from, above }) = own.map(Arc::as_ref) {
            let below = path.strip_prefix(from).unwrap_or(&path);
            if let Some(decided) = patterns.leaves_out(below, is_directory) {
                return decided;
            }
            own = above.as_ref();
        }
        false
    }

    /// Whether something in this directory is listed, or on the way to something that is.
    pub fn lists(&self, name: &[u8]) -> bool {
        self.listed.as_ref().is_none_or(|listed| listed.has(name))
    }

    /// Whether something in this directory is only on the way to what is listed.
    pub fn is_on_the_way(&self, name: &[u8]) -> bool {
        self.listed.as_ref().is_some_and(|listed| !listed.has_whole(name))
    }

    /// What is listed in it that it does not have.
    pub fn lacks(&self, has: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let listed = self.listed.iter().flat_map(Listed::names);
        listed.filter(|name| !has(name)).map(<[u8]>::to_vec).collect()
    }

    /// Whether a file of so many bytes is left out.
    pub fn is_too_large(&self, size: u64) -> bool {
        self.choice.max_size.is_some_and(|most| size > most)
    }

    /// Whether a directory is that of another file system, which is not entered.
    pub fn is_elsewhere(&self, facts: &Facts) -> bool {
        self.device.is_some_and(|device| facts.device() != device)
    }
}

fn begins_as_tag(tree: &Tree, directory: &LocalPath) -> bool {
    let mut start = Vec::new();
    let opened = tree.file(&scan::join(directory, TAG));
    let read = opened.map(|file| file.take(SIGNATURE.len() as u64).read_to_end(&mut start));
    matches!(read, Ok(Ok(_))) && start == SIGNATURE
}

/// The patterns of a file of the tree; of lines that are none it is told.
fn ignore_file(tree: &Tree, below: &LocalPath, told: &mut Vec<String>) -> Result<Patterns> {
    let path = tree.path_of(below);
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Error::invalid(format!("{shown}: its patterns are not followed: {error}"))
    };
    let file = tree.file(below).map_err(|error| failed(error.into()))?;
    let found = file.metadata().map_err(failed)?;
    // What is called so and is no file has no patterns.
    if !found.is_file() {
        return Ok(Patterns::default());
    }
    let mut bytes = Vec::new();
    file.take(IGNORE_FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > IGNORE_FILE_LEN_MAX {
        let why = format!("it has more than {IGNORE_FILE_LEN_MAX} bytes");
        return Err(failed(std::io::Error::other(why)));
    }
    let mut patterns = PatternsBuilder::default();
    patterns.lines(&bytes, |number, error| {
        told.push(format!("{shown}, line {number}, is not followed: {error}"));
        Ok(())
    })?;
    patterns.build().map_err(|error| failed(std::io::Error::other(error)))
}
