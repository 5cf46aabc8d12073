//! A document as its commands and what stands between them.

/// A command of a document, and what it is to print.
pub struct Step {
    /// Line of the document, from one.
    pub line: usize,
    pub command: String,
    pub expected: Vec<String>,
}

enum Part {
    /// Lines as they are, those of the commands among them.
    Text(Vec<String>),
    Step(Step),
}

pub struct Document(Vec<Part>);

impl Document {
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut lines = text.lines().enumerate().peekable();
        let mut end = None;
        while let Some((number, line)) = lines.next() {
            end = match (end, line) {
                (None, "```console") => Some("```"),
                (None, "<!-- console") => Some("-->"),
                (Some(end), line) if line == end => None,
                (same, _) => same,
            };
            parts.push(Part::Text(vec![line.to_owned()]));
            let Some(end) = end else { continue };
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let mut shown = vec![line.to_owned()];
            let mut command = command.to_owned();
            while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with("> ")) {
                shown.push(more.to_owned());
                command = format!("{command}\n{}", &more[2..]);
            }
            let mut expected = Vec::new();
            while let Some((_, line)) =
                lines.next_if(|(_, line)| !line.starts_with("$ ") && *line != end)
            {
                expected.push(line.to_owned());
            }
            parts.pop();
            parts.push(Part::Text(shown));
            parts.push(Part::Step(Step { line: number + 1, command, expected }));
        }
        Document(parts)
    }

    pub fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.0.iter_mut().filter_map(|part| match part {
            Part::Step(step) => Some(step),
            Part::Text(_) => None,
        })
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            let (Part::Text(lines) | Part::Step(Step { expected: lines, .. })) = part;
            for line in lines {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

impl Step {
    /// Takes what was printed as what is expected, with hashes cut short.
    pub fn print(&mut self, printed: &str) {
        self.expected = printed.lines().map(shorten).collect();
    }
}

fn shorten(line: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut short = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        match rest.split_at_checked(64).filter(|(hash, _)| is_hex(hash)) {
            Some((hash, after)) => {
                short.push_str(&hash[..8]);
                short.push('…');
                rest = after;
            }
            None => {
                short.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    short
}

/// What a shortened hash stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hashes {
    /// Any hash: versions hold times, so they differ from run to run.
    Any,
    /// One that begins so.
    Same,
}

/// Whether `printed` is what `expected` says.
pub fn matches(expected: &[String], printed: &str, hashes: Hashes) -> bool {
    let printed: Vec<&str> = printed.lines().collect();
    lines_match(expected, &printed, hashes)
}

fn lines_match(expected: &[String], printed: &[&str], hashes: Hashes) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((any, after)) if any.trim() == "…" => {
            (0..=printed.len()).any(|skipped| lines_match(after, &printed[skipped..], hashes))
        }
        Some((line, after)) => printed.split_first().is_some_and(|(first, rest)| {
            line_matches(line, first, hashes) && lines_match(after, rest, hashes)
        }),
    }
}

/// `…` stands for one character or more.
fn line_matches(expected: &str, printed: &str, hashes: Hashes) -> bool {
    let mut rest = printed;
    let mut parts = expected.split('…').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let part = if last || hashes == Hashes::Same { part } else { without_hash(part) };
        let at = match (first, last) {
            (true, true) => return part == rest,
            (true, false) => rest.starts_with(part).then_some(0),
            (false, true) => {
                rest.len().checked_sub(part.len()).filter(|at| rest.ends_with(part) && *at > 0)
            }
            (false, false) => rest.get(1..).and_then(|tail| tail.find(part)).map(|at| at + 1),
        };
        match at.and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
        first = false;
    }
    true
}

/// `part` without the eight digits that it ends with where a hash was cut short.
fn without_hash(part: &str) -> &str {
    let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match part.len().checked_sub(8).and_then(|at| part.split_at_checked(at)) {
        Some((before, hash)) if digits(hash) => before,
        _ => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(expected: &str, printed: &str) -> bool {
        matches(&[expected.to_owned()], &format!("{printed}\n"), Hashes::Any)
    }

    #[test]
    fn dots_stand_for_the_rest_and_nothing_else_does() {
        let hash = "0123456789abcdef".repeat(4);
        assert!(line("Version: deadbeef…", &format!("Version: {hash}")));
        let cut = ["Version: deadbeef…".to_owned()];
        assert!(matches(&cut, "Version: deadbeef0123\n", Hashes::Same));
        assert!(!matches(&cut, &format!("Version: {hash}\n"), Hashes::Same));
        assert!(line("a … c", "a b c"));
        assert!(line("…", "a"));
        assert!(!line("a … c", "a b d"));
        assert!(!line("Files: 1", "Files: 12"));
        assert!(!line("Version: …", "Version: "));
        assert_eq!(shorten(&format!("Version: {hash}.")), "Version: 01234567….");
    }

    #[test]
    fn a_line_of_dots_stands_for_any_lines() {
        let expected = ["a".to_owned(), "…".to_owned(), "z".to_owned()];
        assert!(matches(&expected, "a\nb\nc\nz\n", Hashes::Any));
        assert!(matches(&expected, "a\nz\n", Hashes::Any));
        assert!(!matches(&expected, "a\nb\n", Hashes::Any));
        assert!(!matches(&[], "a\n", Hashes::Any));
    }

    #[test]
    fn a_document_that_was_not_changed_comes_back() {
        let text =
            "Text.\n```console\n$ one \\\n> two\nprinted\n$ three\n```\n\n<!-- console\n$ x\n-->\n";
        let mut document = Document::parse(text);
        let commands: Vec<_> = document.steps_mut().map(|step| step.command.clone()).collect();
        assert_eq!(commands, ["one \\\ntwo", "three", "x"]);
        assert_eq!(document.text(), text);
    }
}
