//! The bars: what must hold between us and the peers, or absolutely.

use crate::results::{Metric, Results};
use crate::step::Step;

/// What a measured quantity is held against.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// So many times what this peer needed for this step.
    Times(f64, &'static str, Step),
    /// This value: seconds or bytes.
    Value(f64),
}

/// One bar of the benchmark on trees.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The set it is about; none: every set.
    set: Option<&'static str>,
    step: Step,
    metric: Metric,
    limit: Limit,
}

const KERNEL: Option<&str> = Some("kernel");
const BINARIES: Option<&str> = Some("binaries");
const MB: f64 = 1e6;

const fn bar(set: Option<&'static str>, step: Step, metric: Metric, limit: Limit) -> Bar {
    Bar { set, step, metric, limit }
}

/// Our bars, in the order of the table.
pub const BARS: [Bar; 25] = {
    use Limit::{Times, Value};
    use Metric::{Bytes, Cpu, Peak, Wall};
    use Step::{Apply, Check, Diff, Export, Import, Load, Next, Restore, TenDiff, Unchanged};
    [
        bar(KERNEL, Load, Wall, Times(0.40, "restic", Load)),
        bar(KERNEL, Load, Cpu, Times(0.40, "restic", Load)),
        bar(KERNEL, Load, Bytes, Times(0.80, "restic", Load)),
        bar(None, Load, Peak, Value(256.0 * MB)),
        bar(KERNEL, Next, Wall, Times(0.30, "restic", Next)),
        bar(KERNEL, Unchanged, Wall, Times(0.15, "restic", Unchanged)),
        bar(None, Next, Peak, Value(256.0 * MB)),
        bar(None, Export, Wall, Times(2.0, "cp", Export)),
        bar(None, Export, Peak, Value(128.0 * MB)),
        bar(KERNEL, Diff, Bytes, Times(1.0, "git", Diff)),
        bar(KERNEL, Diff, Wall, Value(1.0)),
        bar(BINARIES, Diff, Bytes, Value(120.0 * MB)),
        bar(BINARIES, Diff, Wall, Value(6.0)),
        bar(None, Diff, Peak, Value(192.0 * MB)),
        bar(None, TenDiff, Wall, Value(0.030)),
        bar(None, Import, Wall, Times(0.25, "git", Import)),
        bar(None, Import, Peak, Value(128.0 * MB)),
        bar(KERNEL, Apply, Wall, Value(0.8)),
        bar(KERNEL, Apply, Peak, Value(128.0 * MB)),
        bar(BINARIES, Apply, Peak, Value(192.0 * MB)),
        bar(None, Check, Wall, Times(1.0, "tar+zstd", Check)),
        bar(None, Check, Peak, Value(128.0 * MB)),
        bar(None, Restore, Wall, Times(0.50, "restic", Restore)),
        bar(None, Restore, Wall, Times(1.25, "tar+zstd", Restore)),
        bar(None, Restore, Peak, Value(128.0 * MB)),
    ]
};

/// A bar held against measured medians.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which set.
    pub set: String,
    /// Which step of ours, in words.
    pub what: String,
    /// Our value.
    pub ours: Option<f64>,
    /// The value it is held against, and whose.
    pub against: Option<f64>,
    /// Whose that value is, in words.
    pub whose: String,
    /// What the ratio of the two may be, when it is a ratio.
    pub factor: Option<f64>,
    /// The quantity, for printing.
    pub metric: Metric,
}

impl Verdict {
    /// Our value as a multiple of what it is held against.
    pub fn ratio(&self) -> Option<f64> {
        let against = self.against.filter(|against| *against > 0.0)?;
        Some(self.ours? / against)
    }

    /// Whether the bar is met; none when a side was not measured.
    pub fn met(&self) -> Option<bool> {
        self.ratio().map(|ratio| ratio <= self.factor.unwrap_or(1.0))
    }
}

/// Holds every bar that concerns this set against its medians.
pub fn judge(results: &Results) -> Vec<Verdict> {
    let concerned = BARS.iter().filter(|bar| {
        results.steps.contains(&bar.step) && bar.set.is_none_or(|set| set == results.set)
    });
    concerned
        .map(|bar| {
            let (against, whose, factor) = match bar.limit {
                Limit::Value(value) => (Some(value), "fixed".to_owned(), None),
                Limit::Times(factor, peer, step) => {
                    (results.median(peer, step, bar.metric), peer.to_owned(), Some(factor))
                }
            };
            Verdict {
                set: results.set.clone(),
                what: bar.step.title().to_owned(),
                ours: results.median("aeordb", bar.step, bar.metric),
                against,
                whose,
                factor,
                metric: bar.metric,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;
    use crate::tree::Totals;

    fn sample(wall: f64) -> Sample {
        Sample { wall, cpu: wall, peak: 1_000_000, bytes: Some(100) }
    }

    fn results(samples: Vec<(&str, Step, Sample)>) -> Results {
        let owned = samples.into_iter();
        Results {
            set: "kernel".into(),
            releases: [Totals::default(); 2],
            changed: 0,
            peers: vec!["aeordb".into(), "restic".into()],
            steps: vec![Step::Load],
            samples: owned.map(|(p, step, s)| (p.to_owned(), step, s)).collect(),
            restored: Vec::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_ratio_is_of_medians() {
        let ours = [1.0, 9.0, 3.0].map(|wall| ("aeordb", Step::Load, sample(wall)));
        let mut all = ours.to_vec();
        all.push(("restic", Step::Load, sample(10.0)));
        let verdicts = judge(&results(all));
        let wall = verdicts.first().expect("the bar of the first load");
        assert_eq!(wall.ratio(), Some(0.3));
        assert_eq!(wall.met(), Some(true));
        let bytes = verdicts.get(2).expect("its bytes");
        assert_eq!(bytes.met(), Some(false));
    }

    #[test]
    fn without_the_peer_there_is_no_verdict() {
        let verdicts = judge(&results(vec![("aeordb", Step::Load, sample(1.0))]));
        let met: Vec<_> = verdicts.iter().map(Verdict::met).collect();
        assert_eq!(met, [None, None, None, Some(true)]);
    }
}
