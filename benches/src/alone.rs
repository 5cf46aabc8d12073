//! What `big` and `sparse` share: our binary alone, one command at a time, a
//! table with bars.

use crate::bars::Verdict;
use crate::error::Outcome;
use crate::machine::Machine;
use crate::measure::{Call, Sample, median};
use crate::options::Options;
use crate::report;
use crate::results::{Metric, count};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Our binary with a database of its own.
pub struct Alone<'a> {
    options: &'a Options,
    set: &'static str,
    dir: PathBuf,
    rows: Vec<(String, Vec<Sample>)>,
    verdicts: Vec<Verdict>,
}

impl<'a> Alone<'a> {
    /// In a scratch directory that is there and empty.
    pub fn new(options: &'a Options, set: &'static str, dir: &Path) -> Self {
        Self { options, set, dir: dir.to_owned(), rows: Vec::new(), verdicts: Vec::new() }
    }

    /// A command on the database of this name.
    pub fn verb(&self, words: &[&str], database: &str) -> Call {
        let mut call = Call::new(&self.options.aeordb)
            .args(words)
            .arg("--database")
            .arg(self.dir.join(database))
            .env("HOME", self.dir.join("home"))
            .env("XDG_CACHE_HOME", self.dir.join("cache"));
        for (whose, key, value) in &self.options.env {
            if whose.as_ref().is_none_or(|whose| whose == "aeordb") {
                call = call.env(key, value);
            }
        }
        call
    }

    /// Runs one command after the other, and keeps them as one row.
    pub fn measure(&mut self, what: &str, calls: impl IntoIterator<Item = Call>) -> Outcome<()> {
        let log = self.dir.join("last.log");
        let mut samples = Vec::new();
        for call in calls {
            samples.push(call.measure(&log, self.options.timeout)?);
        }
        let row = (what.to_owned(), samples);
        eprintln!("{}: {}", self.set, line(&row));
        self.rows.push(row);
        Ok(())
    }

    /// The median of a row's quantity.
    pub fn median(&self, what: &str, metric: Metric) -> Option<f64> {
        let (_, samples) = self.rows.iter().find(|(name, _)| name == what)?;
        middle(samples, metric)
    }

    /// Holds a row against a fixed value. `free` is what does not count: the
    /// cost of starting a process, where the bar is about the database.
    pub fn bar(&mut self, what: &str, metric: Metric, limit: f64, free: f64) {
        self.verdicts.push(Verdict {
            set: self.set.to_owned(),
            what: what.to_owned(),
            ours: self.median(what, metric).map(|n| (n - free).max(0.0)),
            against: Some(limit),
            whose: "fixed".to_owned(),
            factor: None,
            metric,
        });
    }

    /// Prints and writes the tables; whether all is well.
    pub fn finish(self, title: &str, about: &str) -> Outcome<bool> {
        let machine = Machine::look(&self.dir, None)?;
        let version = Call::new(&self.options.aeordb).arg("--version").read()?;
        let mut page = format!("# {title}\n\n{about}\n\n");
        for line in machine.lines() {
            let _ = writeln!(page, "- {line}");
        }
        let _ = writeln!(page, "- {}", version.trim());
        page.push_str("\n| command | runs | wall s, median | wall s, least ");
        page.push_str("| CPU s, median | peak MB |\n|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(page, "{}", line(row));
        }
        page.push_str(&report::bars(&self.verdicts));
        print!("{page}");
        if let Some(out) = &self.options.out {
            report::write(out, &page, &self.json(&machine))?;
        }
        let missed = self.verdicts.iter().any(|bar| bar.met() != Some(true));
        Ok(!(self.options.check_bars && missed))
    }

    fn json(&self, machine: &Machine) -> Value {
        let rows = self.rows.iter().map(|(what, samples)| {
            let all = |get: fn(&Sample) -> f64| samples.iter().map(get).collect::<Vec<_>>();
            json!({
                "what": what,
                "wall_s": all(|s| s.wall),
                "cpu_s": all(|s| s.cpu),
                "peak_bytes": all(|s| count(s.peak)),
            })
        });
        json!({"machine": machine.json(), "rows": rows.collect::<Vec<_>>()})
    }
}

fn middle(samples: &[Sample], metric: Metric) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(|s| metric.of(s)).collect();
    median(&values)
}

fn line((what, samples): &(String, Vec<Sample>)) -> String {
    let shown = |metric| middle(samples, metric).map_or("–".to_owned(), report::seconds);
    let least = samples.iter().map(|s| s.wall).min_by(f64::total_cmp);
    let peak = middle(samples, Metric::Peak).unwrap_or(0.0);
    format!(
        "| {what} | {} | {} | {} | {} | {:.1} |",
        samples.len(),
        shown(Metric::Wall),
        least.map_or("–".to_owned(), report::seconds),
        shown(Metric::Cpu),
        peak / 1e6,
    )
}
