//! What was measured, of every round, and what must hold of its medians.

use crate::http::load::Rates;
use crate::http::servers::Kind;
use crate::measure::median;
use serde_json::{Value, json};

/// One stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One large file.
    Upload,
    /// And back.
    Download,
    /// A whole version into a file.
    Export,
    /// That file into another server.
    Import,
    /// What changed since, into a file.
    Patch,
    /// And that into the other server.
    Apply,
}

impl Step {
    /// In the order of the table.
    pub const ALL: [Step; 6] =
        [Step::Upload, Step::Download, Step::Export, Step::Import, Step::Patch, Step::Apply];

    /// How tables name it.
    pub fn title(self) -> &'static str {
        match self {
            Step::Upload => "upload of the large file",
            Step::Download => "download of it",
            Step::Export => "export, as a stream",
            Step::Import => "import of that",
            Step::Patch => "patch, as a stream",
            Step::Apply => "import of that patch",
        }
    }
}

/// Seconds of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Until its end.
    pub wall: f64,
    /// Of the server's CPUs.
    pub cpu: f64,
}

/// Whether small files are put or got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Put,
    Get,
}

/// Every sample.
#[derive(Default)]
pub struct Results {
    /// By whom, with how many clients, of what.
    pub rates: Vec<(&'static str, usize, Verb, Rates)>,
    /// By whom, of what.
    pub streams: Vec<(&'static str, Step, Took)>,
}

impl Results {
    /// The median of one quantity of small files.
    pub fn rate(
        &self,
        who: &str,
        clients: usize,
        verb: Verb,
        get: fn(&Rates) -> f64,
    ) -> Option<f64> {
        let all = self.rates.iter();
        let of = all.filter(|(name, n, v, _)| (*name, *n, *v) == (who, clients, verb));
        median(&of.map(|(.., rates)| get(rates)).collect::<Vec<_>>())
    }

    /// The median of one quantity of a stream.
    pub fn stream(&self, who: &str, step: Step, get: fn(&Took) -> f64) -> Option<f64> {
        let of = self.streams.iter().filter(|(name, s, _)| (*name, *s) == (who, step));
        median(&of.map(|(.., took)| get(took)).collect::<Vec<_>>())
    }

    /// Every sample, for programs.
    pub fn json(&self) -> Value {
        let rates = self.rates.iter().map(|(who, clients, verb, rates)| {
            json!({
                "who": who, "clients": clients, "verb": format!("{verb:?}").to_lowercase(),
                "per_second": rates.rate, "p50_ms": rates.p50, "p99_ms": rates.p99,
                "cpu_us": rates.cpu,
            })
        });
        let streams = self.streams.iter().map(|(who, step, took)| {
            let (step, Took { wall, cpu }) = (step.title(), took);
            json!({ "who": who, "step": step, "wall_s": wall, "cpu_s": cpu })
        });
        json!({ "small": rates.collect::<Vec<_>>(), "streams": streams.collect::<Vec<_>>() })
    }
}

/// How many clients the bars are about.
pub const BAR_CLIENTS: usize = 64;

/// What must hold, and whether it does.
pub struct Bar {
    /// What is measured.
    pub what: String,
    /// Its median.
    pub measured: Option<f64>,
    /// What it is held against.
    pub against: Option<f64>,
    /// Whose that is; nobody's where it is fixed.
    pub whose: Option<&'static str>,
}

impl Bar {
    /// Whether it is met; none when a side was not measured.
    pub fn met(&self) -> Option<bool> {
        Some(self.measured? >= self.against?)
    }
}

/// All bars: of requests a second, and ahead of the object server.
pub fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (verb, what, least) in
        [(Verb::Put, "durable PUT/s", 5_000.0), (Verb::Get, "GET/s", 25_000.0)]
    {
        let rate = |kind: Kind| results.rate(kind.name(), BAR_CLIENTS, verb, |rates| rates.rate);
        let measured = rate(Kind::Aeordb);
        let what = format!("{what}, {BAR_CLIENTS} clients");
        let mut bar = |against, whose| {
            bars.push(Bar { what: what.clone(), measured, against, whose });
        };
        bar(Some(least), None);
        // What is not synced is no rival where durability counts.
        let rivals: &[Kind] = match verb {
            Verb::Put => &[Kind::WeedSynced],
            Verb::Get => &[Kind::WeedSynced, Kind::Weed],
        };
        for kind in rivals {
            bar(rate(*kind), Some(kind.name()));
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rate: f64) -> Rates {
        Rates { rate, p50: 1.0, p99: 2.0, cpu: 3.0, files: 4 }
    }

    #[test]
    fn bars_are_about_medians_of_64_clients() {
        let mut results = Results::default();
        for rate in [1.0, 6_000.0, 9_000.0] {
            results.rates.push(("aeordb", BAR_CLIENTS, Verb::Put, rates(rate)));
        }
        results.rates.push(("aeordb", 16, Verb::Get, rates(30_000.0)));
        results.rates.push(("SeaweedFS, fsync", BAR_CLIENTS, Verb::Put, rates(7_000.0)));
        let met: Vec<_> = bars(&results).iter().map(Bar::met).collect();
        assert_eq!(met, [Some(true), Some(false), None, None, None]);
    }

    #[test]
    fn a_stream_without_a_sample_has_no_median() {
        let mut results = Results::default();
        results.streams.push(("aeordb", Step::Export, Took { wall: 2.0, cpu: 1.0 }));
        assert_eq!(results.stream("aeordb", Step::Export, |took| took.wall), Some(2.0));
        assert_eq!(results.stream("aeordb", Step::Patch, |took| took.wall), None);
    }
}
