//! What is backed up, to where, when, and how long it is kept: a file in TOML. Every error names the
//! file, the line and the key.

mod find;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aeordb::{Error, Result, db};
use aeordb_age::Readers;
use aeordb_api::retention::Policy;
use nix::unistd::gethostname;

pub use self::find::find;
use self::written::{Text, Written};
use super::pattern::Pattern;
use super::schedule::{self, Schedule};
use crate::text;

/// How often a target gets a full file, if the profile does not say.
const FULL_EVERY: u32 = 7;

/// What a profile says.
#[derive(Debug)]
pub struct Profile {
    /// Where it stands.
    pub path: PathBuf,
    /// What it is called: its file without `.toml`.
    pub name: String,
    /// What is put, under its own path.
    pub sources: Vec<Source>,
    /// The database.
    pub place: Place,
    /// What versions are called.
    pub pattern: Pattern,
    /// How old the newest backup may be.
    pub max_age: Option<Duration>,
    /// When it runs, if a server is to run it.
    pub schedule: Option<Schedule>,
    /// Which versions keep their names.
    pub keep: Option<Policy>,
    /// Where backup files go.
    pub targets: Vec<Destination>,
    /// What runs before and after.
    pub hooks: Hooks,
}

/// A file or directory that is put.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    /// What of it is left out, as lines of a .gitignore in it.
    pub exclude: Vec<String>,
}

/// Where the database is.
#[derive(Debug)]
pub enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// A server, and the file that has the key to it.
    Server { url: String, key_file: Option<PathBuf> },
}

/// A directory for backup files.
#[derive(Debug)]
pub struct Destination {
    pub directory: PathBuf,
    /// Every so manieth file is a full one.
    pub full_every: usize,
    /// So many full files stay, with all that is newer; all if not said.
    pub keep_fulls: Option<usize>,
    /// Whom they are for; everybody if nobody is named.
    pub encrypt_to: Vec<String>,
}

/// Programs and their arguments.
#[derive(Debug, Default)]
pub struct Hooks {
    pub before: Option<Vec<String>>,
    pub after: Option<Vec<String>>,
}

impl Profile {
    /// Reads the profile that a word stands for: a name or a path.
    pub fn read(word: &Path) -> Result<Self> {
        let path = find(word)?;
        let text = find::text(&path)?;
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        let name = stem.to_string_lossy().into_owned();
        Profile::parse(&text, path, name)
    }

    /// Reads what stands in `path`.
    pub fn parse(text: &str, path: PathBuf, name: String) -> Result<Self> {
        let at = Text { text, path: &path };
        let written: Written = at.read()?;
        let Written { sources, exclude, hooks, .. } = &written;
        let mut all = Vec::with_capacity(sources.get_ref().len());
        for source in sources.get_ref() {
            at.check(source, || absolute(source.get_ref()))?;
            let other = |known: &&Source| {
                known.path.starts_with(source.get_ref())
                    || source.get_ref().starts_with(&known.path)
            };
            if let Some(known) = all.iter().find(other) {
                let why = format!("it is put already with {}", known.path.display());
                return Err(at.error(source.span(), &why));
            }
            all.push(Source { path: source.get_ref().clone(), exclude: Vec::new() });
        }
        if all.is_empty() {
            return Err(at.error(sources.span(), "there is nothing to put"));
        }
        for pattern in exclude {
            at.check(pattern, || leave_out(&mut all, pattern.get_ref()))?;
        }
        let pattern = match &written.name {
            Some(pattern) => at.check(pattern, || Pattern::parse(pattern.get_ref(), &name))?,
            None => Pattern::parse("{profile}-{time}", &name)?,
        };
        let zone = match &written.timezone {
            Some(zone) => at.check(zone, || schedule::zone(zone.get_ref()))?,
            None => jiff::tz::TimeZone::system(),
        };
        let schedule = written.schedule.as_ref();
        let schedule =
            schedule.map(|cron| at.check(cron, || Schedule::parse(cron.get_ref(), zone)));
        let max_age = written.max_age.as_ref();
        let duration = |age: &str| text::parse_duration(age).map_err(Error::Invalid);
        let max_age = max_age.map(|age| at.check(age, || duration(age.get_ref())));
        for hook in [&hooks.before, &hooks.after].into_iter().flatten() {
            at.check(hook, || hook.get_ref().check())?;
        }
        let hook = |hook: &Option<toml::Spanned<written::Command>>| {
            hook.as_ref().map(|hook| hook.get_ref().words())
        };
        let hooks = Hooks { before: hook(&hooks.before), after: hook(&hooks.after) };
        Ok(Profile {
            place: place(&at, &written)?,
            targets: targets(&at, &written)?,
            sources: all,
            pattern,
            schedule: schedule.transpose()?,
            max_age: max_age.transpose()?,
            keep: keep(&at, &written, &name)?,
            hooks,
            name,
            path,
        })
    }
}

/// Which versions keep their names.
fn keep(at: &Text<'_>, written: &Written, name: &str) -> Result<Option<Policy>> {
    let Some(rules) = &written.keep else { return Ok(None) };
    let policy = rules.get_ref().policy(metadata(name));
    at.check(rules, || db::Policy::from(policy.clone()).rules.check())?;
    Ok(Some(policy))
}

/// What is said of the versions of a profile, and tells them from all others.
pub fn metadata(profile: &str) -> BTreeMap<String, String> {
    let host = gethostname().ok().map(|host| host.to_string_lossy().into_owned());
    let host = host.filter(|host| !host.is_empty()).map(|host| ("host".to_owned(), host));
    host.into_iter().chain([("profile".to_owned(), profile.to_owned())]).collect()
}

/// Where the database is.
fn place(at: &Text<'_>, written: &Written) -> Result<Place> {
    match (&written.database, &written.server, &written.key_file) {
        (Some(file), None, None) => {
            at.check(file, || absolute(file.get_ref()))?;
            Ok(Place::File(file.get_ref().clone()))
        }
        (None, Some(server), key_file) => {
            let (url, key_file) = (server.get_ref().clone(), key_file.as_ref());
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(at.error(server.span(), "expected an http:// or https:// URL"));
            }
            key_file.map(|file| at.check(file, || absolute(file.get_ref()))).transpose()?;
            Ok(Place::Server { url, key_file: key_file.map(|file| file.get_ref().clone()) })
        }
        (_, None, Some(key_file)) => Err(at.error(key_file.span(), "there is no server for it")),
        (Some(_), Some(server), _) => {
            Err(at.error(server.span(), "there is a database, too: name one of them"))
        }
        (None, None, None) => {
            Err(at.whole("it names no database: expected `database` or `server`"))
        }
    }
}

fn targets(at: &Text<'_>, written: &Written) -> Result<Vec<Destination>> {
    let mut all: Vec<Destination> = Vec::new();
    for target in &written.target {
        let what = target.get_ref();
        if let Some(url) = &what.url {
            let why = "backup files go to directories only: name one with `directory`";
            return Err(at.error(url.span(), why));
        }
        let Some(directory) = &what.directory else {
            return Err(at.error(target.span(), "missing field `directory`"));
        };
        at.check(directory, || absolute(directory.get_ref()))?;
        let directory_path = directory.get_ref().clone();
        if all.iter().any(|known| known.directory == directory_path) {
            return Err(at.error(directory.span(), "it is a target already"));
        }
        let number = |number: &Option<toml::Spanned<u32>>| match number {
            Some(zero) if *zero.get_ref() == 0 => Err(at.error(zero.span(), "expected 1 or more")),
            Some(number) => Ok(usize::try_from(*number.get_ref()).ok()),
            None => Ok(None),
        };
        let full_every = number(&what.full_every)?.unwrap_or(FULL_EVERY as usize);
        let keep_fulls = number(&what.keep_fulls)?;
        for reader in &what.encrypt_to {
            if written.server.is_some() {
                let why = "what a server sends is not encrypted: name a database";
                return Err(at.error(reader.span(), why));
            }
            at.check(reader, || Readers::parse([reader.get_ref().as_str()]))?;
        }
        let encrypt_to = what.encrypt_to.iter().map(|reader| reader.get_ref().clone()).collect();
        all.push(Destination { directory: directory_path, full_every, keep_fulls, encrypt_to });
    }
    Ok(all)
}

/// Whoever starts a run does so from anywhere.
fn absolute(path: &Path) -> Result<()> {
    use std::path::Component::{Normal, RootDir};
    match path.components().all(|part| matches!(part, Normal(_) | RootDir)) && path.is_absolute() {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "{} is not the whole path, which begins with / and has no ..",
            path.display()
        ))),
    }
}

/// A pattern that begins with a slash is a path of this machine, and so one of a source; any other
/// holds at every depth of all of them.
fn leave_out(sources: &mut [Source], pattern: &str) -> Result<()> {
    let mut taken = false;
    for source in sources.iter_mut() {
        let path = source.path.to_string_lossy();
        let below = match pattern.starts_with('/') {
            false => Some(pattern.to_owned()),
            true => pattern
                .strip_prefix(path.trim_end_matches('/'))
                .filter(|below| below.starts_with('/') && below.len() > 1)
                .map(str::to_owned),
        };
        if let Some(below) = below {
            source.exclude.push(below);
            taken = true;
        }
    }
    match taken {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "'{pattern}' begins with / and so with one of the sources, but is below none of them"
        ))),
    }
}

#[cfg(test)]
mod tests;
