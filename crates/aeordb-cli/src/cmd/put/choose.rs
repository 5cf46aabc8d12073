//! What of LOCAL is put, as it was typed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeordb::error::Context;
use aeordb::files::{Choice, Listed, Patterns, PatternsBuilder};
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use clap::Args;

use crate::interrupt::Pipe;
use crate::output::is_standard;
use crate::text;

const CHOOSING: &str = "What of LOCAL is put";

/// What of LOCAL is put. The patterns are lines of a .gitignore at PATH.
#[derive(Args, Debug)]
#[command(next_help_heading = CHOOSING)]
pub struct Choose {
    /// Leave out what matches, a pattern as in .gitignore; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Leave out what matches a line of a file, as in .gitignore; may be repeated
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Put what matches although another pattern leaves it out; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<OsString>,
    /// Follow files of this name in LOCAL, such as .gitignore; may be repeated
    #[arg(long, value_name = "NAME")]
    pub ignore_file: Vec<OsString>,
    /// Of a directory with a CACHEDIR.TAG, only the directory and the tag
    #[arg(long)]
    pub exclude_caches: bool,
    /// Of a directory that has something of this name, only the directory and that; may be repeated
    #[arg(long, value_name = "NAME")]
    pub exclude_if_present: Vec<OsString>,
    /// Leave out files with more bytes, such as 500K, 100M or 2G
    #[arg(long, value_name = "SIZE", alias = "exclude-larger-than", value_parser = text::parse_size)]
    pub max_size: Option<u64>,
    /// Do not enter directories that other file systems are mounted at
    #[arg(long, short = 'x')]
    pub one_file_system: bool,
    /// Put only the paths that a file lists, a line each (- is standard input), with what is below
    /// them; they begin at LOCAL, or without LOCAL here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mirror", "from_command"])]
    pub files_from: Option<PathBuf>,
    /// With --mirror, keep what the last version has of what is left out
    #[arg(long, requires = "mirror")]
    pub keep_excluded: bool,
}

impl Choose {
    /// The same for the library.
    pub fn choice(&self, listed: Option<Listed>) -> Result<Arc<Choice>> {
        Ok(Arc::new(Choice {
            patterns: patterns(&self.exclude_from, &self.exclude, &self.include)?,
            ignore_files: names("--ignore-file", &self.ignore_file)?,
            exclude_caches: self.exclude_caches,
            exclude_if_present: names("--exclude-if-present", &self.exclude_if_present)?,
            max_size: self.max_size,
            one_file_system: self.one_file_system,
            listed,
            keep_excluded: self.keep_excluded,
        }))
    }
}

/// Lines of files, then what is left out, then what is taken nevertheless: the last decides.
pub fn patterns(
    exclude_from: &[PathBuf],
    exclude: &[OsString],
    include: &[OsString],
) -> Result<Patterns> {
    let mut patterns = PatternsBuilder::default();
    for path in exclude_from {
        let shown = path.display();
        let lines = fs::read(path).context(|| format!("reading {shown}"))?;
        patterns.lines(&lines, |number, error| {
            Err(Error::invalid(format!("{shown}, line {number}: {error}")))
        })?;
    }
    for pattern in exclude {
        patterns.exclude(pattern.as_bytes())?;
    }
    for pattern in include {
        patterns.include(pattern.as_bytes())?;
    }
    patterns.build()
}

fn names(flag: &str, names: &[OsString]) -> Result<Vec<Vec<u8>>> {
    let name = |name: &OsString| {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.contains(&b'/') {
            let name = text::printable_name(bytes);
            return Err(Error::invalid(format!("{flag} takes the name of a file, not '{name}'")));
        }
        Ok(bytes.to_vec())
    };
    names.iter().map(name).collect()
}

/// What `file` lists of `local`, and the directory that its paths begin at: without one this, or the
/// root if all are whole.
pub fn listed(
    file: &Path,
    null: bool,
    local: Option<&Path>,
    monitor: &Arc<Monitor>,
) -> Result<(PathBuf, Listed)> {
    let bytes = read(file, monitor)?;
    let end = if null { b'\0' } else { b'\n' };
    let paths = bytes.split(|byte| *byte == end).filter(|path| !path.is_empty());
    let paths: Vec<&Path> =
        paths.map(|path| Path::new(std::ffi::OsStr::from_bytes(path))).collect();
    let whole = paths.iter().filter(|path| path.is_absolute()).count();
    let from = match local {
        Some(local) => local,
        None if whole == 0 => Path::new("."),
        None if whole == paths.len() => Path::new("/"),
        None => {
            let why = "some of the listed paths begin with / and some do not: name the LOCAL that \
                       they begin at";
            return Err(Error::invalid(why));
        }
    };
    let canonical = fs::canonicalize(from).context(|| format!("looking at {}", from.display()))?;
    let below = |path: &Path| match path.is_absolute() {
        false => Ok(path.to_path_buf()),
        true => {
            let below = path.strip_prefix(from).or_else(|_| path.strip_prefix(&canonical));
            below.map(Path::to_path_buf).map_err(|_| {
                let path = text::printable_name(path.as_os_str().as_bytes());
                Error::invalid(format!("the listed path {path} is not in {}", from.display()))
            })
        }
    };
    let paths = paths.into_iter().map(|path| {
        // The directory itself is listed, too, and not nothing.
        let below = below(path)?.into_os_string().into_vec();
        Ok(if below.is_empty() { b".".to_vec() } else { below })
    });
    let listed = Listed::new(paths.collect::<Result<Vec<_>>>()?)?;
    Ok((from.to_owned(), listed))
}

/// All of a file, or of standard input.
fn read(file: &Path, monitor: &Arc<Monitor>) -> Result<Vec<u8>> {
    let mut input: Box<dyn Read> = match is_standard(file) {
        true => Box::new(Pipe::stdin(monitor)?),
        false => match Pipe::fifo(file, monitor)? {
            Some(pipe) => Box::new(pipe),
            None => {
                let opened = File::open(file);
                Box::new(opened.context(|| format!("opening {}", file.display()))?)
            }
        },
    };
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).context(|| format!("reading {}", file.display()))?;
    Ok(bytes)
}
