//! The difference of two texts, line by line, in the unified format that `patch` reads.

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

/// Equal lines that are shown before and after those that differ.
const CONTEXT: u32 = 3;

/// What a line of the unified format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Which lines of both texts follow: `@@ -1,3 +1,4 @@`.
    Range,
    /// A line of both.
    Same,
    /// A line of the older text alone.
    Removed,
    /// A line of the newer text alone.
    Added,
    /// The line before has no line break, which the end of a text may lack.
    NoBreak,
}

/// Sees the lines of a difference, one after the other.
type EachLine<'e, E> = &'e mut dyn FnMut(Mark, &[u8]) -> Result<(), E>;

/// Two texts, compared.
pub struct LineDiff<'t> {
    input: InternedInput<&'t [u8]>,
    diff: Diff,
}

impl<'t> LineDiff<'t> {
    /// Compares two texts. Its time is bounded by heuristics as those of git are, its memory is some
    /// 50 bytes a line.
    pub fn between(before: &'t [u8], after: &'t [u8]) -> Self {
        // `InternedInput::new` reserves by the first twenty lines, however long the others are.
        let mut input = InternedInput::default();
        input.update_before(before.split_inclusive(is_break));
        input.update_after(after.split_inclusive(is_break));
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        LineDiff { input, diff }
    }

    /// How many lines only the newer text has.
    pub fn added(&self) -> u32 {
        self.diff.count_additions()
    }

    /// How many lines only the older text has.
    pub fn removed(&self) -> u32 {
        self.diff.count_removals()
    }

    /// Gives `each` the lines of the unified format, without the letter in front and the line break.
    pub fn unified<E>(&self, each: EachLine<'_, E>) -> Result<(), E> {
        for hunks in self.groups() {
            self.group(&hunks, each)?;
        }
        Ok(())
    }

    /// What differs, with what shares lines of context together.
    fn groups(&self) -> Vec<Vec<Hunk>> {
        let mut groups: Vec<Vec<Hunk>> = Vec::new();
        for hunk in self.diff.hunks() {
            let near = |last: &Hunk| hunk.before.start - last.before.end <= 2 * CONTEXT;
            match groups.last_mut() {
                Some(group) if group.last().is_some_and(near) => group.push(hunk),
                _ => groups.push(vec![hunk]),
            }
        }
        groups
    }

    /// One range of lines, with what differs in it.
    fn group<E>(&self, hunks: &[Hunk], each: EachLine<'_, E>) -> Result<(), E> {
        let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else { return Ok(()) };
        let lead = first.before.start.min(CONTEXT);
        let length = u32::try_from(self.input.before.len()).unwrap_or(u32::MAX);
        let tail = (length - last.before.end).min(CONTEXT);
        let (from, to) = (first.before.start - lead, last.before.end + tail);
        let before = range(from, to);
        let after = range(first.after.start - lead, last.after.end + tail);
        each(Mark::Range, format!("@@ -{before} +{after} @@").as_bytes())?;
        let mut at = from;
        for hunk in hunks {
            self.lines(Mark::Same, &self.input.before, at, hunk.before.start, each)?;
            self.lines(
                Mark::Removed,
                &self.input.before,
                hunk.before.start,
                hunk.before.end,
                each,
            )?;
            self.lines(Mark::Added, &self.input.after, hunk.after.start, hunk.after.end, each)?;
            at = hunk.before.end;
        }
        self.lines(Mark::Same, &self.input.before, at, to, each)
    }

    fn lines<E>(
        &self,
        mark: Mark,
        tokens: &[Token],
        from: u32,
        to: u32,
        each: EachLine<'_, E>,
    ) -> Result<(), E> {
        let lines = tokens.get(from as usize..to as usize).unwrap_or_default();
        for token in lines {
            let line: &[u8] = self.input.interner[*token];
            match line.strip_suffix(b"\n") {
                Some(line) => each(mark, line)?,
                None => {
                    each(mark, line)?;
                    each(Mark::NoBreak, b" No newline at end of file")?;
                }
            }
        }
        Ok(())
    }
}

fn is_break(byte: &u8) -> bool {
    *byte == b'\n'
}

/// The lines from `from` up to `to` as the unified format counts them: from 1, and of no line the
/// one before.
fn range(from: u32, to: u32) -> String {
    match to - from {
        0 => format!("{from},0"),
        1 => format!("{}", from + 1),
        lines => format!("{},{lines}", from + 1),
    }
}

#[cfg(test)]
mod tests;
