//! Where a profile is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aeordb::error::Context;
use aeordb::{Error, Result};

/// Longest profile, in bytes.
const LEN_MAX: u64 = 1024 * 1024;
/// Where those of the system are.
const SYSTEM: &str = "/etc/aeordb";

/// The file of a profile: a path has a slash in it or ends with `.toml`, any other word is a name.
pub fn find(word: &Path) -> Result<PathBuf> {
    let is_path = word.components().count() > 1 || word.is_absolute();
    if is_path || word.extension().is_some_and(|end| end == "toml") {
        return Ok(word.to_owned());
    }
    if word.as_os_str().is_empty() {
        return Err(Error::invalid("a profile has a name"));
    }
    let mut name = word.as_os_str().to_owned();
    name.push(".toml");
    let looked: Vec<PathBuf> = directories().iter().map(|place| place.join(&name)).collect();
    // What cannot be looked at is not passed over for another.
    let there = looked.iter().find(|path| !matches!(path.try_exists(), Ok(false)));
    there.cloned().ok_or_else(|| {
        let looked: Vec<String> = looked.iter().map(|path| path.display().to_string()).collect();
        Error::not_found(format!("profile {} ({})", word.display(), looked.join(", ")))
    })
}

/// Where profiles are: those of the user come before those of the system.
fn directories() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let own = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    own.map(|own| own.join("aeordb")).into_iter().chain([PathBuf::from(SYSTEM)]).collect()
}

/// What stands in a profile.
pub fn text(path: &Path) -> Result<String> {
    let what = || format!("reading the profile {}", path.display());
    let mut text = String::new();
    let file = File::open(path).context(what)?;
    let read = file.take(LEN_MAX + 1).read_to_string(&mut text).context(what)?;
    if read as u64 > LEN_MAX {
        let what = format!("the profile {}", path.display());
        return Err(Error::Limit { what, limit: LEN_MAX, found: read as u64 });
    }
    Ok(text)
}
