//! Policies, and what they came to.

use aeordb::db;
use aeordb::retention::Rules;

use crate::retention::{Judged, Kept, Policy};

impl From<Policy> for db::Policy {
    fn from(policy: Policy) -> Self {
        let Policy { name, metadata, group_by, .. } = policy;
        let Policy { last, hourly, daily, weekly, monthly, yearly, within, .. } = policy;
        let rules = Rules { last, hourly, daily, weekly, monthly, yearly, within };
        db::Policy { name, metadata, group_by, rules }
    }
}

impl From<db::Policy> for Policy {
    fn from(policy: db::Policy) -> Self {
        let db::Policy { name, metadata, group_by, rules } = policy;
        let Rules { last, hourly, daily, weekly, monthly, yearly, within } = rules;
        Policy { name, metadata, group_by, last, hourly, daily, weekly, monthly, yearly, within }
    }
}

impl Kept {
    /// What was judged, and only said if so.
    pub fn new(judged: &[db::Judged], dry_run: bool) -> Self {
        let judged: Vec<Judged> = judged
            .iter()
            .map(|one| Judged { reasons: one.reasons.clone(), snapshot: (&one.snapshot).into() })
            .collect();
        let go = judged.iter().filter(|one| one.reasons.is_empty()).count();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Kept { dry_run, stay: count(judged.len() - go), go: count(go), judged }
    }
}
