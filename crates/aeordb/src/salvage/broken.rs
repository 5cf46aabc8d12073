//! What is broken, and what is lost with it.

/// Lost paths that a report names, of all versions together.
pub const LOST_MAX: usize = 100_000;

/// A place of the damaged file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Where.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

/// What of a path is lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// The file or link.
    File,
    /// The directory with all that is in it.
    Directory,
    /// Names in the directory, and nobody knows which.
    Names,
    /// Owner, flags and extended attributes of what is there.
    Attributes,
}
