//! What the bytes of files that changed say: which lines came and went.

use aeordb::Result;
use aeordb::object::Path;
use aeordb_api::item::{Item, Kind};
use aeordb_api::versions::{Change, ChangeKind};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::lines::{LineDiff, Mark};
use crate::exit::Attempt;
use crate::home::Reading;
use crate::location::Location;
use crate::out::Out;
use crate::text;

/// Files with more bytes are not compared line by line.
const LARGEST: u64 = 16 * 1024 * 1024;
/// A NUL byte in the first of them makes bytes binary, as for git.
const LOOKED_AT: usize = 8000;

/// The two versions that are compared.
pub struct Ends<'r> {
    pub reading: &'r dyn Reading,
    pub from: String,
    pub to: String,
}

/// What is to be said of the bytes of a path that changed.
pub enum Said {
    /// They are the same, or neither is a file.
    Nothing,
    /// The texts, older and newer, of what is a file there.
    Text([Option<Vec<u8>>; 2]),
    /// They cannot be shown as lines: the sizes.
    Binary([u64; 2]),
}

/// A change with what `--stat` counts.
#[derive(Serialize)]
struct Counted<'c> {
    #[serde(flatten)]
    change: &'c Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines_added: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines_removed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_after: Option<u64>,
}

/// What `--stat` adds up.
#[derive(Default)]
pub struct Total {
    paths: [u64; 4],
    lines_added: u64,
    lines_removed: u64,
    binary: u64,
}

impl Ends<'_> {
    /// Looks at the bytes of what changed, where they did.
    pub fn compare(&self, change: &Change) -> Attempt<Said> {
        let [old_path, path] = paths(change)?;
        let (old, new) = match change.change {
            ChangeKind::Added => (None, Some(&change.item)),
            ChangeKind::Deleted => (Some(self.before(&path)?), None),
            ChangeKind::Modified if !touches_bytes(change) => return Ok(Said::Nothing),
            ChangeKind::Modified => (Some(self.before(&path)?), Some(&change.item)),
            ChangeKind::Renamed => (Some(self.before(&old_path)?), Some(&change.item)),
        };
        let old = old.filter(|item| item.kind == Kind::File);
        let new = new.filter(|item| item.kind == Kind::File);
        if old.is_none() && new.is_none() {
            return Ok(Said::Nothing);
        }
        let sizes = [size(old.as_ref()), size(new)];
        let [mut from, mut to] = [None, None];
        if old.is_some() {
            from = self.bytes(&self.from, &old_path)?;
        }
        if new.is_some() {
            to = self.bytes(&self.to, &path)?;
        }
        let unread = from.is_some() != old.is_some() || to.is_some() != new.is_some();
        Ok(match [from, to] {
            _ if unread => Said::Binary(sizes),
            [from, to] if from == to => Said::Nothing,
            texts if texts.iter().flatten().all(|bytes| is_text(bytes)) => Said::Text(texts),
            _ => Said::Binary(sizes),
        })
    }

    fn before(&self, path: &[u8]) -> Attempt<Item> {
        Ok(self.reading.look(&place(&self.from, path)?)?.entry.item)
    }

    /// None if there are more than are compared.
    fn bytes(&self, version: &str, path: &[u8]) -> Attempt<Option<Vec<u8>>> {
        self.reading.bytes(&place(version, path)?, LARGEST)
    }
}

/// Where it was and where it is.
fn paths(change: &Change) -> Result<[Vec<u8>; 2]> {
    let path = change.path()?;
    Ok([change.old_path()?.unwrap_or_else(|| path.clone()), path])
}

fn place(version: &str, path: &[u8]) -> Result<Location> {
    Ok(Location { version: Some(version.to_owned()), path: Path::parse(path)? })
}

fn size(item: Option<&Item>) -> u64 {
    item.map_or(0, |item| item.size)
}

/// Whether what differs may be bytes of a file.
fn touches_bytes(change: &Change) -> bool {
    change.differs.iter().any(|what| matches!(what.as_str(), "content" | "kind" | "size"))
}

/// The bytes of a side; none where there is no file.
fn bytes(side: &Option<Vec<u8>>) -> &[u8] {
    side.as_deref().unwrap_or_default()
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.get(..LOOKED_AT).unwrap_or(bytes).contains(&0)
}

/// `--stat`: behind a tab, how many lines came and went, or the sizes.
pub fn count(
    out: &mut Out,
    json: bool,
    change: &Change,
    said: &Said,
    total: &mut Total,
) -> Result<()> {
    let mut counted = Counted {
        change,
        lines_added: None,
        lines_removed: None,
        bytes_before: None,
        bytes_after: None,
    };
    let shown = match said {
        Said::Nothing => change.differs.join(", "),
        Said::Binary([before, after]) => {
            total.binary += 1;
            (counted.bytes_before, counted.bytes_after) = (Some(*before), Some(*after));
            format!("binary, {} to {}", text::size(*before), text::size(*after))
        }
        Said::Text([from, to]) => {
            let lines = LineDiff::between(bytes(from), bytes(to));
            let (added, removed) = (lines.added(), lines.removed());
            total.lines_added += u64::from(added);
            total.lines_removed += u64::from(removed);
            (counted.lines_added, counted.lines_removed) = (Some(added), Some(removed));
            format!("+{added} -{removed}")
        }
    };
    if let Some(paths) = total.paths.get_mut(change.change as usize) {
        *paths += 1;
    }
    if json {
        return out.json(&counted);
    }
    super::names(out, change)?;
    if !shown.is_empty() {
        out.between_names()?;
        out.bytes(shown.as_bytes())?;
    }
    out.end()
}

impl Total {
    /// The last line of `--stat`.
    pub fn line(&self) -> String {
        let paths: u64 = self.paths.iter().sum();
        let mut parts = vec![format!("{} changed", plural(paths, "path"))];
        for (count, what) in self.paths.iter().zip(["added", "modified", "deleted", "renamed"]) {
            if *count > 0 {
                parts.push(format!("{} {what}", text::count(*count)));
            }
        }
        if self.lines_added + self.lines_removed > 0 {
            let (added, removed) = (text::count(self.lines_added), text::count(self.lines_removed));
            parts.push(format!("lines +{added} -{removed}"));
        }
        if self.binary > 0 {
            parts.push(format!("{} binary", text::count(self.binary)));
        }
        parts.join(", ")
    }
}

fn plural(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", text::count(count))
}

/// `--text`: the line of the change, and below it what of the text differs, as `patch -p1` takes it.
pub fn show(out: &mut Out, change: &Change, said: &Said) -> Result<()> {
    super::line(out, change, true)?;
    let [old_path, path] = paths(change)?;
    match said {
        Said::Nothing => Ok(()),
        Said::Binary([before, after]) => {
            let (before, after) = (text::exact_size(*before), text::exact_size(*after));
            out.line(&format!("Binary, {before} to {after}"))
        }
        Said::Text([from, to]) => {
            let colours = out.colours();
            header(out, b"--- ", b"a", from.as_ref().map(|_| old_path.as_slice()))?;
            header(out, b"+++ ", b"b", to.as_ref().map(|_| path.as_slice()))?;
            let lines = LineDiff::between(bytes(from), bytes(to));
            lines.unified(&mut |mark, line| paint(out, colours, mark, line))
        }
    }
}

/// `--- a/PATH`; what is not there is `/dev/null`.
fn header(out: &mut Out, letters: &[u8], side: &[u8], path: Option<&[u8]>) -> Result<()> {
    out.bytes(letters)?;
    match path {
        Some(path) => out.name(&[side, path].concat())?,
        None => out.bytes(b"/dev/null")?,
    }
    out.bytes(b"\n")
}

/// One line of the unified format, in its colour.
fn paint(out: &mut Out, colours: bool, mark: Mark, line: &[u8]) -> Result<()> {
    let (letter, colour): (&[u8], _) = match mark {
        Mark::Range => (b"", Some(AnsiColor::Cyan)),
        Mark::Same => (b" ", None),
        Mark::Removed => (b"-", Some(AnsiColor::Red)),
        Mark::Added => (b"+", Some(AnsiColor::Green)),
        Mark::NoBreak => (b"\\", None),
    };
    let style = colour.filter(|_| colours).map_or(Style::new(), |colour| colour.on_default());
    out.bytes(style.render().to_string().as_bytes())?;
    out.bytes(letter)?;
    out.text(line)?;
    out.bytes(style.render_reset().to_string().as_bytes())?;
    out.bytes(b"\n")
}
