//! Tables for people, JSON for programs.

use crate::bars::Verdict;
use crate::error::{Doing, Outcome};
use crate::machine::Machine;
use crate::results::{Metric, Results, count};
use crate::step::{Bytes, Step};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Everything that goes into the report.
pub struct Report<'a> {
    /// Where it was measured.
    pub machine: &'a Machine,
    /// Peers that ran, with what they say of their version.
    pub versions: &'a [(String, String)],
    /// Peers that did not, and why.
    pub skipped: &'a [(String, String)],
    /// Rounds that the medians are over.
    pub rounds: usize,
    /// A result per data set.
    pub results: &'a [Results],
    /// The bars of all sets.
    pub verdicts: &'a [Verdict],
}

const HEAD: &str = "# Benchmarks

Made by `benches/` (see the end of this page), not by hand. Every number is a
whole process, from before it starts to after it ends, with all processes that
it started. All peers run in one go, in turn, on the same live tree: it begins
as the first release and is then brought to the second in place, so that
unchanged files keep inode and times. Values are medians.
";

const TAIL: &str = "## What the steps are

- *first load*: the live tree as the first release, into an empty store.
- *export*: the first release out of the store into one file; for git
  `git bundle create`, for cp a copy of our file with `sync`.
- *import*: that file into an empty store; for git `git fetch` from the bundle.
- *second release*: the live tree after its update; ours is `put --mirror`,
  tar's `--listed-incremental`.
- *nothing changed*: the same again.
- *diff* and *import of that patch*: the difference of the two releases as one
  file, applied to the store that got the first; for git a bundle of `v1..v2`.
- *restore*: the second release into an empty directory; tar's is from one
  archive of the whole release, made for this.
- *10 files changed*: a line is inserted in ten files spread over the tree.
- *check*: all that is stored by then is read and checked: `verify --deep`,
  `restic check --read-data`, `rustic check --read-data`,
  `borg check --verify-data`, `git fsck --full`, `zstd -t` of all archives.

Peers run with their defaults, but for: restic's repository version 2 (with
compression), Borg without encryption and with `zstd,3`, git without automatic
collection. `stored` is the size of the store, `added` its growth. Peak memory
is that of the largest process of a step.

## Run it

    cargo build --release
    benches/install-peers.sh            # once; --with-rustic builds that, too
    benches/make-data.sh                # once
    cargo run --release -p aeordb-bench -- --out docs/benchmarks.md
    cargo run --release -p aeordb-bench -- big

The server beside an object server: [benchmarks-http.md](benchmarks-http.md).
`--help` lists what can be chosen. Every sample is in the JSON file beside this
page.
";

impl Report<'_> {
    /// The page.
    pub fn markdown(&self) -> String {
        let mut page = String::from(HEAD);
        page.push('\n');
        for line in self.machine.lines() {
            let _ = writeln!(page, "- {line}");
        }
        let _ = writeln!(page, "- rounds: {}", self.rounds);
        for (peer, version) in self.versions {
            let _ = writeln!(page, "- {peer}: {version}");
        }
        for (peer, why) in self.skipped {
            let _ = writeln!(page, "- {peer}: skipped, {why}");
        }
        for results in self.results {
            page.push_str(&tables(results));
        }
        if self.verdicts.iter().any(|verdict| verdict.ours.is_some()) {
            page.push_str(&bars(self.verdicts));
        }
        page.push('\n');
        page.push_str(TAIL);
        page
    }

    /// The same, with every sample.
    pub fn json(&self) -> Value {
        let pairs = |pairs: &[(String, String)]| {
            let pairs = pairs.iter();
            pairs.map(|(peer, text)| json!({"peer": peer, "text": text})).collect::<Vec<_>>()
        };
        let bars = self.verdicts.iter().map(|bar| {
            json!({
                "set": bar.set, "what": bar.what, "metric": metric(bar.metric),
                "ours": bar.ours, "against": bar.against, "whose": bar.whose,
                "factor": bar.factor, "ratio": bar.ratio(), "met": bar.met(),
            })
        });
        json!({
            "machine": self.machine.json(),
            "rounds": self.rounds,
            "versions": pairs(self.versions),
            "skipped": pairs(self.skipped),
            "sets": self.results.iter().map(Results::json).collect::<Vec<_>>(),
            "bars": bars.collect::<Vec<_>>(),
        })
    }
}

/// Writes a page, and its samples beside it.
pub fn write(out: &Path, page: &str, json: &Value) -> Outcome<()> {
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).doing("cannot create", parent)?;
    }
    fs::write(out, page).doing("cannot write", out)?;
    let beside = out.with_extension("json");
    fs::write(&beside, format!("{json:#}\n")).doing("cannot write", &beside)
}

fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Wall => "wall",
        Metric::Cpu => "CPU",
        Metric::Peak => "peak memory",
        Metric::Bytes => "bytes",
    }
}

fn tables(results: &Results) -> String {
    let [one, two] = &results.releases;
    let mut text = format!(
        "\n## {}\n\nRelease 1: {} files, {} directories, {}. \
         Release 2: {} files, {} directories, {}; {} files differ or are new.\n",
        results.set,
        one.files,
        one.directories,
        bytes(count(one.bytes)),
        two.files,
        two.directories,
        bytes(count(two.bytes)),
        results.changed,
    );
    text.push_str("\nWall / CPU seconds, bytes:\n\n");
    text.push_str(&table(results, &|peer, step| cell(results, peer, step)));
    text.push_str("\nPeak memory, MB:\n\n");
    text.push_str(&table(results, &|peer, step| {
        let peak = results.median(peer, step, Metric::Peak)?;
        Some(format!("{:.0}", peak / 1e6))
    }));
    for (peer, what, differences) in &results.restored {
        if peer == "aeordb" || !differences.is_empty() {
            let said = match differences.len() {
                0 => "equal to the original".to_owned(),
                n => format!("**{n} differences**, first: {}", differences.join("; ")),
            };
            let _ = write!(text, "\n{peer}, {what}: {said}.\n");
        }
    }
    for (peer, step, _) in &results.failures {
        let _ = write!(text, "\n**{peer}, {}: failed.**\n", step.title());
    }
    text
}

/// A table of steps and peers; peers without any cell are left out.
fn table(results: &Results, cell: &dyn Fn(&str, Step) -> Option<String>) -> String {
    let shown = |peer: &&String| results.steps.iter().any(|step| cell(peer, *step).is_some());
    let peers: Vec<&String> = results.peers.iter().filter(shown).collect();
    let mut text = String::from("| step |");
    for peer in &peers {
        let _ = write!(text, " {peer} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(peers.len()));
    text.push('\n');
    for step in &results.steps {
        let _ = write!(text, "| {} |", step.title());
        for peer in &peers {
            let value = cell(peer, *step).unwrap_or_else(|| "–".to_owned());
            let _ = write!(text, " {value} |");
        }
        text.push('\n');
    }
    text
}

fn cell(results: &Results, peer: &str, step: Step) -> Option<String> {
    let wall = results.median(peer, step, Metric::Wall)?;
    let cpu = results.median(peer, step, Metric::Cpu)?;
    let mut text = format!("{} / {}", seconds(wall), seconds(cpu));
    let word = match step.bytes() {
        Some(Bytes::Stored) => "stored",
        Some(Bytes::Added) => "added",
        _ => "",
    };
    if let Some(n) = results.median(peer, step, Metric::Bytes) {
        let _ = write!(text, ", {} {word}", bytes(n));
    }
    Some(text.trim_end().to_owned())
}

/// Seconds with the digits that matter.
pub fn seconds(n: f64) -> String {
    if n < 0.1 {
        format!("{n:.4}")
    } else if n < 10.0 {
        format!("{n:.2}")
    } else {
        format!("{n:.1}")
    }
}

/// Bytes in decimal units.
pub fn bytes(n: f64) -> String {
    if n < 1e3 {
        format!("{n:.0} B")
    } else if n < 1e6 {
        format!("{:.1} kB", n / 1e3)
    } else if n < 1e7 {
        format!("{:.2} MB", n / 1e6)
    } else {
        format!("{:.1} MB", n / 1e6)
    }
}

/// A value in the unit of its quantity.
fn quantity(metric: Metric, n: f64) -> String {
    match metric {
        Metric::Wall | Metric::Cpu => format!("{} s", seconds(n)),
        Metric::Peak | Metric::Bytes => bytes(n),
    }
}

/// The table of bars.
pub fn bars(verdicts: &[Verdict]) -> String {
    let mut text = String::from("\n## Bars\n\n| set | what | quantity | measured ");
    text.push_str("| against | ratio | bar | |\n|---|---|---|---|---|---|---|---|\n");
    for bar in verdicts {
        let shown = |n: Option<f64>| n.map_or("–".to_owned(), |n| quantity(bar.metric, n));
        let (against, limit) = match bar.factor {
            Some(factor) => {
                (format!("{} {}", bar.whose, shown(bar.against)), format!("≤ {factor:.2} ×"))
            }
            None => (String::new(), format!("≤ {}", shown(bar.against))),
        };
        let verdict = match bar.met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let ratio = bar.ratio().map_or("–".to_owned(), |r| format!("{r:.2}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {against} | {ratio} | {limit} | {verdict} |",
            bar.set,
            bar.what,
            metric(bar.metric),
            shown(bar.ours),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        assert_eq!(seconds(0.0123), "0.0123");
        assert_eq!(seconds(7.631), "7.63");
        assert_eq!(seconds(42.04), "42.0");
        assert_eq!(bytes(900.0), "900 B");
        assert_eq!(bytes(2_034_000.0), "2.03 MB");
        assert_eq!(bytes(213_400_000.0), "213.4 MB");
    }
}
