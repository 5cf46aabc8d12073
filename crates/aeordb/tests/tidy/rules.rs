//! The rules, each over text alone.

use std::collections::{BTreeMap, BTreeSet};

/// Most characters of a line.
pub const LINE_MAX: usize = 110;
/// Most lines of a file.
pub const FILE_MAX: usize = 500;
/// Most lines of a function, its signature and braces included.
pub const FUNCTION_MAX: usize = 60;

/// A source file: its path from the root of the project, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    /// The lines before the tests that end the file.
    fn lines_of_program(&self) -> impl Iterator<Item = &str> {
        let is_tests = |line: &&str| *line == "mod tests {";
        let count = self.text.lines().position(|line| is_tests(&line)).unwrap_or(usize::MAX);
        self.text.lines().take(count)
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// What is longer than the rule has it: a name, and how long it is.
pub type Sizes = BTreeMap<String, usize>;

/// Files with lines that are too long: the longest line of each.
pub fn long_lines(sources: &[Source]) -> Sizes {
    let longest = |source: &Source| source.text.lines().map(|line| line.chars().count()).max();
    let sizes = sources.iter().map(|source| (source.path.clone(), longest(source).unwrap_or(0)));
    sizes.filter(|(_, size)| *size > LINE_MAX).collect()
}

/// Files that are too long.
pub fn long_files(sources: &[Source]) -> Sizes {
    let sizes = sources.iter().map(|source| (source.path.clone(), source.text.lines().count()));
    sizes.filter(|(_, size)| *size > FILE_MAX).collect()
}

/// Functions that are too long: `file function`. Files are formatted, so a function ends at the first
/// brace that stands as far in as it does.
pub fn long_functions(sources: &[Source]) -> Sizes {
    let mut found = Sizes::new();
    for Source { path, text } in sources {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let Some(name) = function(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let rest = lines.get(start..).unwrap_or_default();
            let Some(last) = rest.iter().position(|line| *line == end) else { continue };
            // One without a body has ended before that.
            let is_declared =
                |line: &&str| line.ends_with(';') && !line.starts_with(&" ".repeat(indent + 1));
            let declared = rest.iter().take(last).any(is_declared);
            if !declared && last + 1 > FUNCTION_MAX {
                found.insert(format!("{path} {name}"), last + 1);
            }
        }
    }
    found
}

/// The name of the function that begins at a line.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    loop {
        let word = words.next()?;
        match word {
            "fn" => break,
            "const" | "async" => {}
            word if word.starts_with("pub") => {}
            _ => return None,
        }
    }
    words.next()?.split(['(', '<']).next()
}

/// Names that more than one type of a crate has, of those that other files see: `crate Name`.
pub fn repeated_types(sources: &[Source]) -> BTreeSet<String> {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for source in sources.iter().filter(|source| !source.is_test()) {
        let package = source.path.split("/src/").next().unwrap_or_default();
        for line in source.lines_of_program() {
            if let Some(name) = declared_type(line) {
                let name = format!("{package} {name}");
                if !seen.insert(name.clone()) {
                    repeated.insert(name);
                }
            }
        }
    }
    repeated
}

/// The name of the type that a line declares at the top of its file.
fn declared_type(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    if !words.next()?.starts_with("pub") {
        return None;
    }
    let word = words.next()?;
    if !["struct", "enum", "trait", "type", "union"].contains(&word) {
        return None;
    }
    words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The modules of the first table of a document that has the header `| module |`, each with the number
/// of its row.
pub fn floors(document: &str) -> BTreeMap<String, usize> {
    let table = document.lines().skip_while(|line| !line.starts_with("| module |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let mut floors = BTreeMap::new();
    for (number, row) in rows.enumerate() {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let names = cell.split('`').skip(1).step_by(2);
        floors.extend(names.map(|name| (name.to_owned(), number)));
    }
    floors
}

/// Uses of modules that stand further down the table: `file -> module`.
pub fn arrows_up(floors: &BTreeMap<String, usize>, sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some((_, within)) = source.path.split_once("/src/") else { continue };
        let module = within.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floors.get(module) else { continue };
        for line in source.lines_of_program().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1).flat_map(first_names) {
                if floors.get(used).is_some_and(|floor| floor > own) {
                    found.insert(format!("{} -> {used}", source.path));
                }
            }
        }
    }
    found
}

/// A directory of a crate that knows little of the rest of it, and of other crates.
pub struct Room {
    /// The path of the directory.
    pub path: &'static str,
    /// Crates that are not named there.
    pub strangers: &'static [&'static str],
    /// Modules of its crate that it may use beside itself.
    pub below: &'static [&'static str],
}

/// What the files of a room name and may not: `file -> name`.
pub fn leaks(room: &Room, sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own = room.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_of_room = |source: &&Source| source.path.starts_with(room.path) && !source.is_test();
    for source in sources.iter().filter(is_of_room) {
        for line in source.lines_of_program().filter(|line| !line.trim_start().starts_with("//")) {
            let names = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let strangers = names.filter(|name| room.strangers.contains(name));
            let used = line.split("crate::").skip(1).flat_map(first_names);
            let others = used.filter(|name| *name != own && !room.below.contains(name));
            found.extend(strangers.chain(others).map(|name| format!("{} -> {name}", source.path)));
        }
    }
    found
}

/// The modules that a path after `crate::` begins with: one, or those of a group.
fn first_names(path: &str) -> Vec<&str> {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    match path.strip_prefix('{') {
        Some(group) => group.split(", ").filter_map(|name| name.split(is_end).next()).collect(),
        None => path.split(is_end).take(1).collect(),
    }
}

/// Files of a directory of tests that its `main.rs` does not name.
pub fn forgotten<'n>(main: &str, files: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let named = |file: &&str| main.lines().any(|line| line == format!("mod {file};"));
    files.into_iter().filter(|file| *file != "main" && !named(file)).collect()
}

/// True if a file of this text and mode is a script that cannot be run.
pub fn is_stuck(text: &[u8], mode: u32) -> bool {
    text.starts_with(b"#!/") && mode & 0o111 != 0o111
}

/// What is wrong between what was found and the list of exceptions to it, which only gets shorter.
pub fn held_against(rule: &str, found: &Sizes, allowed: &[(&str, usize)]) -> Vec<String> {
    let allowed: BTreeMap<&str, usize> = allowed.iter().copied().collect();
    let over = found.iter().filter_map(|(name, size)| match allowed.get(name.as_str()) {
        None => Some(format!("{rule}: {name} has {size}")),
        Some(most) if size > most => Some(format!("{rule}: {name} grew from {most} to {size}")),
        Some(_) => None,
    });
    let spare = allowed.keys().filter(|name| !found.contains_key(**name));
    over.chain(spare.map(|name| format!("{rule}: {name} needs its exception no more"))).collect()
}

/// The same of what has no size.
pub fn held_against_names(rule: &str, found: &BTreeSet<String>, allowed: &[&str]) -> Vec<String> {
    let sizes = found.iter().map(|name| (name.clone(), 1)).collect();
    let allowed: Vec<(&str, usize)> = allowed.iter().map(|name| (*name, 1)).collect();
    held_against(rule, &sizes, &allowed)
}
