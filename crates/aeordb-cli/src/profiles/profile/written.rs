//! A profile as it is written, and where in it something stands.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aeordb::{Error, Result};
use aeordb_api::retention::Policy;
use serde::Deserialize;
use toml::Spanned;

/// A profile as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub sources: Spanned<Vec<Spanned<PathBuf>>>,
    #[serde(default)]
    pub exclude: Vec<Spanned<String>>,
    pub database: Option<Spanned<PathBuf>>,
    pub server: Option<Spanned<String>>,
    pub key_file: Option<Spanned<PathBuf>>,
    pub name: Option<Spanned<String>>,
    pub max_age: Option<Spanned<String>>,
    pub schedule: Option<Spanned<String>>,
    pub timezone: Option<Spanned<String>>,
    pub keep: Option<Spanned<WrittenKeep>>,
    #[serde(default)]
    pub target: Vec<Spanned<WrittenTarget>>,
    #[serde(default)]
    pub hooks: WrittenHooks,
}

/// Which versions keep their names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenKeep {
    pub last: Option<Count>,
    pub within: Option<String>,
    pub hourly: Option<Count>,
    pub daily: Option<Count>,
    pub weekly: Option<Count>,
    pub monthly: Option<Count>,
    pub yearly: Option<Count>,
}

impl WrittenKeep {
    /// The rules, for the snapshots that a profile makes on this machine.
    pub fn policy(&self, metadata: BTreeMap<String, String>) -> Policy {
        let number = |count: &Option<Count>| count.as_ref().map_or(0, |count| count.0);
        Policy {
            metadata,
            last: number(&self.last),
            hourly: number(&self.hourly),
            daily: number(&self.daily),
            weekly: number(&self.weekly),
            monthly: number(&self.monthly),
            yearly: number(&self.yearly),
            within: self.within.clone(),
            ..Policy::default()
        }
    }
}

/// A number, or `unlimited`, as `aeordb keep` takes it.
#[derive(Deserialize)]
#[serde(try_from = "CountText")]
pub struct Count(i64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or \"unlimited\"")]
enum CountText {
    Number(i64),
    Word(String),
}

impl TryFrom<CountText> for Count {
    type Error = String;

    fn try_from(text: CountText) -> std::result::Result<Self, String> {
        match text {
            CountText::Number(number) if number >= -1 => Ok(Count(number)),
            CountText::Word(word) if word == "unlimited" => Ok(Count(-1)),
            CountText::Number(_) | CountText::Word(_) => {
                Err("expected a number or \"unlimited\"".into())
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTarget {
    pub directory: Option<Spanned<PathBuf>>,
    pub url: Option<Spanned<String>>,
    pub full_every: Option<Spanned<u32>>,
    pub keep_fulls: Option<Spanned<u32>>,
    #[serde(default)]
    pub encrypt_to: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct WrittenHooks {
    pub before: Option<Spanned<Command>>,
    pub after: Option<Spanned<Command>>,
}

/// A program, or one with its arguments.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a program, or an array of one and its arguments")]
pub enum Command {
    Program(String),
    Words(Vec<String>),
}

impl Command {
    pub fn words(&self) -> Vec<String> {
        match self {
            Command::Program(program) => vec![program.clone()],
            Command::Words(words) => words.clone(),
        }
    }

    /// No shell reads it: whoever expects one is told.
    pub fn check(&self) -> Result<()> {
        let words = self.words();
        let Some(program) = words.first().filter(|program| !program.is_empty()) else {
            return Err(Error::invalid("there is no program"));
        };
        let path = Path::new(program);
        if path.components().count() > 1 && !path.is_absolute() {
            return Err(Error::invalid(format!("{program} is neither a name nor a whole path")));
        }
        if program.contains(' ') && !path.exists() {
            let why = format!(
                "there is no program '{program}'; arguments make an array, as in [\"pg_dump\", \"-f\", \
                 \"/srv/dump\"], and for a shell [\"sh\", \"-c\", \"…\"]"
            );
            return Err(Error::invalid(why));
        }
        Ok(())
    }
}

/// The file that is read.
pub struct Text<'a> {
    pub text: &'a str,
    pub path: &'a Path,
}

impl Text<'_> {
    pub fn read(&self) -> Result<Written> {
        toml::from_str(self.text).map_err(|error| {
            let why = error.message().replace('\n', ", ");
            match error.span() {
                Some(span) if !why.starts_with("missing field") => self.error(span, &why),
                Some(span) if span.start > 0 => self.error(span, &why),
                _ => self.whole(&why),
            }
        })
    }

    /// What is wrong with a value is said with its place.
    pub fn check<T, V>(&self, value: &Spanned<V>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work().map_err(|error| self.error(value.span(), &error.to_string()))
    }

    pub fn error(&self, span: Range<usize>, why: &str) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let key = self.key(line).map(|key| format!(", {key}")).unwrap_or_default();
        Error::invalid(format!("{}, line {line}{key}: {why}", self.path.display()))
    }

    /// About no line.
    pub fn whole(&self, why: &str) -> Error {
        Error::invalid(format!("{}: {why}", self.path.display()))
    }

    /// The key that a line is about, with the table that it is in.
    fn key(&self, line: usize) -> Option<String> {
        let mut key = None;
        for text in self.text.lines().take(line).collect::<Vec<_>>().into_iter().rev() {
            let text = text.trim_start();
            let name = |name: &str| name.trim().trim_matches('"').to_owned();
            if let Some((table, _)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
                let table = name(table.trim_start_matches('['));
                // An element of an array looks much like a table.
                let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                if table.chars().all(plain) && !table.is_empty() {
                    return Some(key.map_or(table.clone(), |key| format!("{table}.{key}")));
                }
            }
            if key.is_none() && !text.starts_with(['#', '"', '\'']) {
                key = text.split_once('=').map(|(key, _)| name(key));
            }
        }
        key
    }
}
