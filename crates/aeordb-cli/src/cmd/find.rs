//! `find GLOB [PATH]`

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path as LocalPath;
use std::slice;
use std::str::FromStr;

use aeordb::files::{Patterns, PatternsBuilder};
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb::{Error, Result};
use aeordb_api::command::{FoundIn, Listed};
use aeordb_api::item::{Item, Kind};
use aeordb_api::versions::ChangeKind;
use aeordb_api::{Digest, Time};
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::app::{App, Outcome};
use crate::args::{At, Diff, With};
use crate::exit::{self, Attempt, Subject};
use crate::home::Home;
use crate::location::{self, Location};
use crate::text;

const HELP: &str = "\
GLOB is a pattern as in .gitignore: without a slash it is held against names at any depth, with one \
against paths from PATH. What is found is printed as an absolute path.

--versions looks through every version that HEAD was, that was imported or has a name, newest first, and \
prints each state of a path once, as VERSION:PATH with the newest version that has it, which `aeordb get` \
and `aeordb cat` take as it is. What versions share is looked through once.

Examples:
  aeordb find '*.pdf'
  aeordb find '*.log' /var --size +1M --older 30d
  aeordb find '/etc/ssh/*' --type f --at v1
  aeordb find report.odt --versions
  aeordb find '*.tmp' -0 | xargs -0 aeordb rm";

/// Find files and directories by their names
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Find {
    /// What their names or paths match
    #[arg(value_name = "GLOB")]
    pub glob: OsString,
    /// The directory to look in: PATH or VERSION:PATH
    #[arg(value_name = "PATH", default_value = "/")]
    pub path: OsString,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Only files (f), directories (d), symbolic links (l), pipes (p), sockets (s), block (b) or
    /// character devices (c)
    #[arg(long = "type", value_name = "KIND")]
    pub kind: Vec<Sort>,
    /// Only what changed after TIME: 2024-01-15, 2024-01-15T08:00:00Z, or 7d for so long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub newer: Option<Time>,
    /// Only what changed before TIME
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub older: Option<Time>,
    /// Only files with more (+1M), fewer (-1M) or just so many bytes (1M)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub size: Vec<Size>,
    /// Look through all versions
    #[arg(long, conflicts_with_all = ["at", "patches"])]
    pub versions: bool,
    /// End names with a NUL byte instead of a line break, and quote none
    #[arg(long, short = '0', visible_short_alias = 'z', conflicts_with = "json")]
    pub null: bool,
}

/// A kind, by the letter that `find` has for it.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    F,
    D,
    L,
    P,
    S,
    B,
    C,
}

impl Sort {
    fn is(self, kind: Kind) -> bool {
        kind == match self {
            Sort::F => Kind::File,
            Sort::D => Kind::Directory,
            Sort::L => Kind::Symlink,
            Sort::P => Kind::Fifo,
            Sort::S => Kind::Socket,
            Sort::B => Kind::Blockdev,
            Sort::C => Kind::Chardev,
        }
    }
}

/// How many bytes a file is to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    More(u64),
    Fewer(u64),
    Just(u64),
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let size = |text| text::parse_size(text);
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(more), _) => size(more).map(Size::More),
            (_, Some(fewer)) => size(fewer).map(Size::Fewer),
            _ => size(text).map(Size::Just),
        }
    }
}

/// Reads a moment: a time, a day, or how long ago it was.
fn moment(word: &str) -> std::result::Result<Time, String> {
    let bad = || format!("'{word}' is not like 2024-01-15, 2024-01-15T08:00:00Z, 7d or 12h");
    let time = if let Ok(time) = word.parse::<Timestamp>() {
        time
    } else if word.parse::<Date>().is_ok() {
        format!("{word}T00:00:00Z").parse().map_err(|_| bad())?
    } else {
        let (digits, unit) = word.split_at_checked(word.len().saturating_sub(1)).ok_or_else(bad)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            "w" => 7 * 24 * 3600,
            _ => return Err(bad()),
        };
        let count = digits.parse::<i64>().ok().filter(|count| *count >= 0).ok_or_else(bad)?;
        let ago = count.checked_mul(seconds).map(SignedDuration::from_secs).ok_or_else(bad)?;
        Timestamp::now().checked_sub(ago).map_err(|_| bad())?
    };
    i64::try_from(time.as_nanosecond()).map(Time).map_err(|_| bad())
}

/// What is looked for.
struct Wanted<'f> {
    glob: Patterns,
    /// Where paths begin for the glob.
    top: Path,
    args: &'f Find,
}

impl Wanted<'_> {
    fn matches(&self, path: &Path, item: &Item) -> bool {
        let Some(below) = below(&self.top, path) else { return false };
        let Find { kind, newer, older, size, .. } = self.args;
        let is_kind = kind.is_empty() || kind.iter().any(|sort| sort.is(item.kind));
        let after = newer.is_none_or(|time| item.modified.is_some_and(|own| own.0 > time.0));
        let before = older.is_none_or(|time| item.modified.is_some_and(|own| own.0 < time.0));
        let has_size = size.iter().all(|size| {
            item.kind == Kind::File
                && match *size {
                    Size::More(than) => item.size > than,
                    Size::Fewer(than) => item.size < than,
                    Size::Just(so) => item.size == so,
                }
        });
        let name = LocalPath::new(std::ffi::OsStr::from_bytes(below));
        let named = || self.glob.leaves_out(name, item.is_directory()) == Some(false);
        is_kind && after && before && has_size && named()
    }
}

/// The path from `top`; `None` of what is not below it.
fn below<'p>(top: &Path, path: &'p Path) -> Option<&'p [u8]> {
    let rest = path.as_bytes().strip_prefix(top.as_bytes())?;
    let rest = if top.is_root() { rest } else { rest.strip_prefix(b"/")? };
    (!rest.is_empty()).then_some(rest)
}

pub fn run(app: &mut App, home: &dyn Home, args: &Find) -> Outcome {
    app.out.null_terminated(args.null);
    let mut glob = PatternsBuilder::default();
    glob.include(args.glob.as_bytes())?;
    let place = location::location(&args.path)?;
    let wanted = Wanted { glob: glob.build()?, top: place.path.clone(), args };
    if args.versions {
        if place.version.is_some() {
            return Err(
                Error::invalid("--versions looks through all versions, and takes none").into()
            );
        }
        return in_all(app, home, &wanted);
    }
    let (places, reading) = home.reading(app, slice::from_ref(&args.path), &args.at, &args.with)?;
    let Some(place) = places.first() else { return Ok(exit::DONE) };
    check_directory(place, &reading.look(place)?.entry.item)?;
    let (out, json) = (&mut app.out, app.global.json);
    reading.walk(place, usize::MAX, &mut |path, item| {
        if wanted.matches(path, &item) {
            if json {
                let name = path.name().unwrap_or_default();
                out.json(&Listed::new(path.as_bytes(), name, item))?;
            } else {
                out.name(path.as_bytes())?;
                out.end()?;
            }
        }
        Ok(true)
    })?;
    Ok(exit::DONE)
}

fn check_directory(place: &Location, item: &Item) -> Result<()> {
    match item.is_directory() {
        true => Ok(()),
        false => {
            let path = text::printable_name(place.path.as_bytes());
            Err(Error::invalid(format!("{path} is a {}, not a directory", item.kind.name())))
        }
    }
}

/// A version to look through.
struct Version {
    id: VersionId,
    time: Time,
    snapshots: Vec<String>,
}

/// All versions, newest first, each once.
fn all(app: &mut App, home: &dyn Home) -> Attempt<Vec<Version>> {
    let mut found: Vec<Version> = Vec::new();
    home.history(app, usize::MAX, &mut |_, entry| {
        let id = entry.version.into();
        found.push(Version { id, time: entry.time, snapshots: Vec::new() });
        Ok(true)
    })?;
    let mut seen = HashSet::new();
    found.retain(|version| seen.insert(version.id));
    let mut named = Vec::new();
    home.snapshots(app, &mut |_, snapshot| {
        named.push(snapshot);
        Ok(true)
    })?;
    for snapshot in named {
        let id: VersionId = snapshot.version.into();
        match found.iter_mut().find(|version| version.id == id) {
            Some(version) => version.snapshots.push(snapshot.name),
            None => {
                let (time, snapshots) = (snapshot.created_at, vec![snapshot.name]);
                let newer = found.partition_point(|version| version.time.0 > time.0);
                found.insert(newer, Version { id, time, snapshots });
            }
        }
    }
    Ok(found)
}

/// Looks through all versions: the newest as a whole, each other one as it differs from the next.
fn in_all(app: &mut App, home: &dyn Home, wanted: &Wanted<'_>) -> Outcome {
    let mut versions = all(app, home)?;
    if versions.is_empty() {
        // A sealed file has one, and no history.
        let (place, at) = (OsString::from("/"), At::default());
        let (places, reading) =
            home.reading(app, slice::from_ref(&place), &at, &With::default())?;
        for place in &places {
            let id = reading.look(place)?.version.into();
            versions.push(Version { id, time: Time(0), snapshots: Vec::new() });
        }
    }
    let (mut seen, mut there) = (BTreeSet::new(), false);
    let mut newer: Option<VersionId> = None;
    for version in &versions {
        let mut show = |app: &mut App, path: &Path, item: Item| -> Result<bool> {
            there |= wanted.top.is_root() || below(&wanted.top, path).is_some();
            if wanted.matches(path, &item) {
                let state = serde_json::to_string(&item).unwrap_or_default();
                if seen.insert(aeordb::hash::Hash::of(
                    &[path.as_bytes(), b"\0", state.as_bytes()].concat(),
                )) {
                    print(app, version, path, item)?;
                }
            }
            Ok(true)
        };
        match newer.replace(version.id) {
            None => whole(app, home, version, &mut show)?,
            Some(newer) => {
                let versions = vec![newer.to_string(), version.id.to_string()];
                let between = Diff { versions, ..Diff::default() };
                home.changes(app, &between, &mut |app, change| {
                    if change.change == ChangeKind::Deleted {
                        return Ok(true);
                    }
                    let path = Path::parse(&change.path()?)?;
                    show(app, &path, change.item)
                })?;
            }
        }
    }
    if there || wanted.top.is_root() {
        return Ok(exit::DONE);
    }
    let top = text::printable_name(wanted.top.as_bytes());
    let error = Error::not_found(format!("{top} in any version"));
    Err(exit::Failure { error, subject: Subject::Path })
}

/// Shows all that is in a version.
fn whole(
    app: &mut App,
    home: &dyn Home,
    version: &Version,
    show: &mut dyn FnMut(&mut App, &Path, Item) -> Result<bool>,
) -> Attempt<()> {
    let place = OsString::from_vec(format!("{}:/", version.id).into_bytes());
    let (at, with) = (At::default(), With::default());
    let (places, reading) = home.reading(app, slice::from_ref(&place), &at, &with)?;
    for place in &places {
        reading.walk(place, usize::MAX, &mut |path, item| show(app, path, item))?;
    }
    Ok(())
}

/// One state of a path, and the newest version that has it.
fn print(app: &mut App, version: &Version, path: &Path, item: Item) -> Result<()> {
    let Version { id, time, snapshots } = version;
    if app.global.json {
        let found = Listed::new(path.as_bytes(), path.name().unwrap_or_default(), item);
        let (version, time) = (Digest::from(*id), (time.0 != 0).then_some(*time));
        return app.out.json(&FoundIn { version, time, snapshots: snapshots.clone(), found });
    }
    app.out.bytes(format!("{id}:").as_bytes())?;
    app.out.name(path.as_bytes())?;
    app.out.end()
}
