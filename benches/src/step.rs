//! The steps of a round, in their order, and what each needs before it.

/// One step of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The first release into an empty store.
    Load,
    /// The first release out of the store into one file to be carried.
    Export,
    /// That file into an empty store elsewhere.
    Import,
    /// The live tree after its update to the second release.
    Next,
    /// The same tree once more.
    Unchanged,
    /// The difference of the two releases as one file to be carried.
    Diff,
    /// That file into the store that got the first.
    Apply,
    /// The second release into an empty directory.
    Restore,
    /// The live tree after a change of ten files.
    Ten,
    /// That difference as one file.
    TenDiff,
    /// Everything stored is read and checked.
    Check,
}

impl Step {
    /// All steps, in the order in which they run.
    pub const ALL: [Self; 11] = [
        Self::Load,
        Self::Export,
        Self::Import,
        Self::Next,
        Self::Unchanged,
        Self::Diff,
        Self::Apply,
        Self::Restore,
        Self::Ten,
        Self::TenDiff,
        Self::Check,
    ];

    /// The name on the command line and in the JSON file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Export => "export",
            Self::Import => "import",
            Self::Next => "next",
            Self::Unchanged => "unchanged",
            Self::Diff => "diff",
            Self::Apply => "apply",
            Self::Restore => "restore",
            Self::Ten => "ten",
            Self::TenDiff => "ten-diff",
            Self::Check => "check",
        }
    }

    /// The words in the tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Load => "first load",
            Self::Export => "export / bundle of it",
            Self::Import => "import / fetch of that",
            Self::Next => "second release",
            Self::Unchanged => "nothing changed",
            Self::Diff => "diff / incremental bundle",
            Self::Apply => "import / fetch of that patch",
            Self::Restore => "restore of the second release",
            Self::Ten => "10 files changed",
            Self::TenDiff => "diff of the 10 files",
            Self::Check => "check of everything stored",
        }
    }

    /// What the bytes in the tables are, where a step has any.
    pub fn bytes(self) -> Option<Bytes> {
        match self {
            Self::Load => Some(Bytes::Stored),
            Self::Next | Self::Unchanged | Self::Ten => Some(Bytes::Added),
            Self::Export | Self::Diff | Self::TenDiff => Some(Bytes::Written),
            Self::Import | Self::Apply | Self::Restore | Self::Check => None,
        }
    }

    /// How often a step runs in one round: what is over in milliseconds, more
    /// than once.
    pub fn runs(self) -> usize {
        match self {
            Self::TenDiff => 5,
            _ => 1,
        }
    }

    /// The steps that must have run before this one.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Load => &[],
            Self::Export | Self::Next | Self::Check => &[Self::Load],
            Self::Import => &[Self::Export],
            Self::Unchanged | Self::Diff | Self::Restore | Self::Ten => &[Self::Next],
            Self::Apply => &[Self::Import, Self::Diff],
            Self::TenDiff => &[Self::Ten],
        }
    }

    /// Whether this step cannot run when `other` did not.
    pub fn depends_on(self, other: Self) -> bool {
        self.needs().iter().any(|need| *need == other || need.depends_on(other))
    }

    /// The wanted steps and all that they need, in order.
    pub fn closure(wanted: &[Self]) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|step| wanted.iter().any(|w| w == step || w.depends_on(*step)))
            .collect()
    }

    /// The step of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// What is counted as a step's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// The size of the store.
    Stored,
    /// The growth of the store.
    Added,
    /// The size of the file made.
    Written,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_brings_what_it_needs() {
        let steps = Step::closure(&[Step::Apply]);
        assert_eq!(
            steps,
            [Step::Load, Step::Export, Step::Import, Step::Next, Step::Diff, Step::Apply]
        );
        assert_eq!(Step::closure(&Step::ALL), Step::ALL);
    }

    #[test]
    fn names_are_unique() {
        for step in Step::ALL {
            assert_eq!(Step::named(step.name()), Some(step));
        }
    }
}
