//! Patterns in the grammar of .gitignore: the last that matches decides, one that begins with `!`
//! takes back what those before it left out.

use std::fmt::Write;
use std::path::Path as LocalPath;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, Result};

/// Patterns that are asked as one.
#[derive(Clone, Debug)]
pub struct Patterns(Gitignore);

impl Default for Patterns {
    fn default() -> Self {
        Patterns(Gitignore::empty())
    }
}

impl Patterns {
    /// True if they match nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if they take back alone: then nothing but what they match is meant, where somebody
    /// chooses.
    pub fn only_take(&self) -> bool {
        self.0.num_ignores() == 0 && self.0.num_whitelists() > 0
    }

    /// Whether something is left out; `None` if no pattern matches it. Its path is taken from where
    /// the patterns begin.
    pub fn leaves_out(&self, path: &LocalPath, is_directory: bool) -> Option<bool> {
        match self.0.matched(path, is_directory) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }
}

/// Patterns that are being collected, in order.
pub struct PatternsBuilder {
    lines: GitignoreBuilder,
}

impl Default for PatternsBuilder {
    fn default() -> Self {
        // They begin nowhere in particular: paths are given from there.
        PatternsBuilder { lines: GitignoreBuilder::new("") }
    }
}

impl PatternsBuilder {
    /// Adds a pattern that leaves out; it is one whatever it begins or ends with.
    pub fn exclude(&mut self, pattern: &[u8]) -> Result<()> {
        let pattern = whole(pattern)?;
        self.line(&match pattern.starts_with('#') {
            true => format!("\\{pattern}"),
            false => pattern,
        })
    }

    /// Adds a pattern that takes back what those before it left out.
    pub fn include(&mut self, pattern: &[u8]) -> Result<()> {
        let pattern = whole(pattern)?;
        if pattern.starts_with('!') {
            let why = "is an exception already: without the ! (or \\! if the name begins so)";
            return Err(Error::invalid(format!("the pattern '{pattern}' {why}")));
        }
        self.line(&format!("!{pattern}"))
    }

    /// Adds the lines of a file; tells `refused` the number of one that is none, and why.
    pub fn lines(
        &mut self,
        bytes: &[u8],
        mut refused: impl FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Err(error) = text(line).and_then(|line| self.line(line)) {
                refused(number + 1, error)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let refused = |error| Error::invalid(format!("the pattern '{line}' cannot be: {error}"));
        self.lines.add_line(None, &plain(line)).map(drop).map_err(refused)
    }

    /// All of them.
    pub fn build(&self) -> Result<Patterns> {
        let built = self.lines.build();
        built.map(Patterns).map_err(|error| Error::invalid(format!("the patterns: {error}")))
    }
}

fn text(pattern: &[u8]) -> Result<&str> {
    std::str::from_utf8(pattern).map_err(|_| {
        let shown = String::from_utf8_lossy(pattern);
        let why = "is not UTF-8; ? stands for a byte of a name that is not";
        Error::invalid(format!("the pattern '{shown}' {why}"))
    })
}

/// A pattern that is no line of a file: white space at its end belongs to it.
fn whole(pattern: &[u8]) -> Result<String> {
    let pattern = text(pattern)?;
    if pattern.is_empty() || pattern == "/" || pattern == "!" {
        return Err(Error::invalid(format!("the pattern '{pattern}' matches nothing")));
    }
    Ok(match pattern.strip_suffix([' ', '\t']) {
        Some(rest) if !rest.ends_with('\\') => format!("{rest}[{}]", &pattern[rest.len()..]),
        _ => pattern.to_owned(),
    })
}

/// A line without what the library reads in another way than git does: braces stand for themselves,
/// and sets of characters have escapes.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match (character, set(after)) {
            ('{' | '}', _) => {
                let _ = write!(plain, "\\{character}");
                rest = after;
            }
            ('\\', _) => {
                let escaped = after.chars().next().map_or(0, char::len_utf8);
                plain.push_str(&rest[..1 + escaped]);
                rest = &after[escaped..];
            }
            ('[', Some((set, after))) => {
                plain.push_str(&set);
                rest = after;
            }
            _ => {
                plain.push(character);
                rest = after;
            }
        }
    }
    plain
}

/// The set of characters that begins with `[` before `text`, and what is behind it. A bracket in it
/// must stand first, and a dash last.
fn set(text: &str) -> Option<(String, &str)> {
    let (negated, mut rest) = match text.strip_prefix(['!', '^']) {
        Some(rest) => ("!", rest),
        None => ("", text),
    };
    let (mut bracket, mut members, mut dash) = ("", String::new(), "");
    if let Some(after) = rest.strip_prefix(']') {
        (bracket, rest) = ("]", after);
    }
    loop {
        // A class of characters, as in [[:digit:]].
        if let Some(end) = rest.strip_prefix("[:").and_then(|rest| rest.find(":]")) {
            let (class, after) = rest.split_at_checked(end + 4)?;
            members.push_str(class);
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        match (characters.next()?, characters.clone().next()) {
            (']', _) => break Some((format!("[{negated}{bracket}{members}{dash}]"), &rest[1..])),
            ('\\', Some(']')) => bracket = "]",
            ('\\', Some('-')) => dash = "-",
            ('\\', Some(escaped)) => members.push(escaped),
            (character, _) => {
                members.push(character);
                rest = characters.as_str();
                continue;
            }
        }
        characters.next();
        rest = characters.as_str();
    }
}
