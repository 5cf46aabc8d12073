//! The samples of one data set and what is asked of them.

use crate::measure::{Sample, median};
use crate::step::Step;
use crate::tree::Totals;
use serde_json::{Map, Value, json};

/// A quantity of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Seconds on the clock.
    Wall,
    /// Seconds of all processors.
    Cpu,
    /// Bytes of memory.
    Peak,
    /// Bytes stored, added or written.
    Bytes,
}

impl Metric {
    /// This quantity of a sample, where the sample has it.
    pub fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Wall => Some(sample.wall),
            Self::Cpu => Some(sample.cpu),
            Self::Peak => Some(count(sample.peak)),
            Self::Bytes => sample.bytes.map(count),
        }
    }
}

/// A count as a float; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn count(n: u64) -> f64 {
    n as f64
}

/// What one data set gave.
#[derive(Clone, Debug)]
pub struct Results {
    /// The name of the set.
    pub set: String,
    /// The two releases.
    pub releases: [Totals; 2],
    /// Files written by the update from one to the other.
    pub changed: usize,
    /// Peers in the order of the table.
    pub peers: Vec<String>,
    /// Steps in the order of the table.
    pub steps: Vec<Step>,
    /// Every run.
    pub samples: Vec<(String, Step, Sample)>,
    /// Comparisons after restores: peer, what was restored, differences.
    pub restored: Vec<(String, String, Vec<String>)>,
    /// Commands that failed: peer, step, what was said.
    pub failures: Vec<(String, Step, String)>,
}

impl Results {
    /// All values of one quantity.
    pub fn values(&self, peer: &str, step: Step, metric: Metric) -> Vec<f64> {
        let of = self.samples.iter();
        of.filter(|(p, s, _)| p == peer && *s == step)
            .filter_map(|(_, _, sample)| metric.of(sample))
            .collect()
    }

    /// The median of one quantity over the rounds.
    pub fn median(&self, peer: &str, step: Step, metric: Metric) -> Option<f64> {
        median(&self.values(peer, step, metric))
    }

    /// Everything, sample by sample.
    pub fn json(&self) -> Value {
        let totals =
            |t: &Totals| json!({"files": t.files, "directories": t.directories, "bytes": t.bytes});
        let mut peers = Map::new();
        for peer in &self.peers {
            let mut steps = Map::new();
            for step in &self.steps {
                let values = |metric| self.values(peer, *step, metric);
                if !values(Metric::Wall).is_empty() {
                    steps.insert(
                        step.name().to_owned(),
                        json!({
                            "wall_s": values(Metric::Wall),
                            "cpu_s": values(Metric::Cpu),
                            "peak_bytes": values(Metric::Peak),
                            "bytes": values(Metric::Bytes),
                        }),
                    );
                }
            }
            peers.insert(peer.clone(), Value::Object(steps));
        }
        let failures = self.failures.iter();
        let restored = self.restored.iter();
        json!({
            "set": self.set,
            "releases": self.releases.iter().map(totals).collect::<Vec<_>>(),
            "files_changed": self.changed,
            "peers": peers,
            "restored": restored
                .map(|(peer, what, differences)| json!({
                    "peer": peer, "what": what, "differences": differences,
                }))
                .collect::<Vec<_>>(),
            "failures": failures
                .map(|(peer, step, said)| json!({
                    "peer": peer, "step": step.name(), "said": said,
                }))
                .collect::<Vec<_>>(),
        })
    }
}
