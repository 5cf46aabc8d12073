//! What of a local tree is put. The walk and whoever counts ahead of it ask here, and nowhere else
//! is anything left out because somebody wanted it so.

mod listed;
mod patterns;
mod within;

pub use listed::Listed;
pub use patterns::{Patterns, PatternsBuilder};
pub use within::Within;

/// What is chosen; by default all.
#[derive(Clone, Default, Debug)]
pub struct Choice {
    /// What these match is left out. They have the last word over those of the tree.
    pub patterns: Patterns,
    /// Files of these names have patterns for the directory that they are in, and for all below.
    pub ignore_files: Vec<Vec<u8>>,
    /// Of a directory that says that it is a cache, only the directory and its tag.
    pub exclude_caches: bool,
    /// Of a directory that has something of such a name, only the directory and that.
    pub exclude_if_present: Vec<Vec<u8>>,
    /// No file with more bytes.
    pub max_size: Option<u64>,
    /// Nothing below a directory that another file system is mounted at.
    pub one_file_system: bool,
    /// Nothing but this and what is below it.
    pub listed: Option<Listed>,
    /// When mirroring, what is left out stays as the database has it.
    pub keep_excluded: bool,
}

impl Choice {
    /// Whether anything is decided by its name.
    fn by_name(&self) -> bool {
        !self.patterns.is_empty()
            || !self.ignore_files.is_empty()
            || self.exclude_caches
            || !self.exclude_if_present.is_empty()
            || self.listed.is_some()
    }
}

#[cfg(test)]
mod tests;
