//! A directory that the walk is in, and what is looked at ahead of it.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::files::beneath::Tree;
use crate::files::choose::Within;
use crate::files::extended::Keep;
use crate::files::old::OldEntries;
use crate::files::scan::{self, Entry, Found, Names, Scanned};
use crate::object::Name;
use crate::pool::Queue;

/// Directories, or pages of a large one, that are looked at ahead.
const DIRECTORIES_AHEAD: usize = 16;
const PAGES_AHEAD: usize = 2;

/// A local directory that the walk is in.
pub struct Listing {
    pub tree: Arc<Tree>,
    /// Where it is in the tree.
    pub below: PathBuf,
    /// The path below the start, for the cache.
    pub key: Vec<u8>,
    pub old: OldEntries,
    /// What an unfinished put stored of it.
    pub kept: OldEntries,
    pub within: Within,
    pub page: std::vec::IntoIter<Entry>,
    /// The names of a large directory, and its next page that nobody looks at yet.
    pub names: Option<(Arc<Names>, usize)>,
    pub pages: Queue<Vec<Entry>>,
    /// Subdirectories that nobody lists yet, and those that are being listed.
    pub to_list: VecDeque<PathBuf>,
    pub listed: Queue<Result<Scanned>>,
}

impl Listing {
    /// The next entry.
    pub fn next(&mut self, keep: &Arc<Keep>) -> Option<Entry> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(entry);
            }
            let (names, next) = self.names.as_mut()?;
            while self.pages.jobs() < PAGES_AHEAD && *next < names.pages() {
                let (names, number, keep) = (names.clone(), *next, keep.clone());
                self.pages.submit(move || names.page(number, &keep));
                *next += 1;
            }
            let entries = self.pages.take()?;
            self.turn(entries);
        }
    }

    /// Turns to a page.
    pub fn turn(&mut self, entries: Vec<Entry>) {
        let directories = entries.iter().filter(|entry| {
            let here = !self.within.is_elsewhere(&entry.facts);
            entry.found == Found::Directory && here && Name::new(&entry.name).is_ok()
        });
        let paths = directories.map(|entry| scan::join(&self.below, &entry.name));
        self.to_list.extend(paths);
        self.page = entries.into_iter();
    }

    pub fn list_ahead(&mut self, keep: &Arc<Keep>) {
        while self.listed.jobs() < DIRECTORIES_AHEAD {
            let Some(below) = self.to_list.pop_front() else { break };
            let (tree, keep) = (self.tree.clone(), keep.clone());
            let name = below.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
            let within = self.within.enter(name);
            self.listed.submit(move || scan::scan(&tree, &below, &keep, within));
        }
    }

    pub fn key_of(&self, name: &[u8]) -> Vec<u8> {
        crate::files::cache::key(&self.key, name)
    }
}
