//! Retention of snapshots: which the rules of `retention` are asked about, and what goes. Policies are
//! kept in the system data, one for each pattern of names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::tz::TimeZone;

use crate::db::{Database, Purpose, Reader, Snapshot, SnapshotFilter};
use crate::error::{Error, Result};
use crate::retention::{Candidate, Rules};

/// What the keys of policies begin with.
const POLICY: &[u8] = b"keep/";
/// The part of a name before its last slash, as what snapshots are grouped by.
const PREFIX: &str = "prefix";

/// Rules, and which snapshots they are for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// Those whose name fits this pattern; all.
    pub name: Option<String>,
    /// Those that have this metadata.
    pub metadata: BTreeMap<String, String>,
    /// What they are grouped by: `prefix`, which is a name up to its last slash, or keys of metadata.
    pub group_by: Vec<String>,
    /// How many stay of each group.
    pub rules: Rules,
}

/// What was found of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Why it stays; it goes if there is no reason.
    pub reasons: Vec<String>,
}

impl Policy {
    fn group(&self, snapshot: &Snapshot) -> Vec<String> {
        let part = |key: &String| match key.as_str() {
            PREFIX => snapshot.name.rsplit_once('/').map_or("", |(prefix, _)| prefix).to_owned(),
            key => snapshot.metadata.get(key).cloned().unwrap_or_default(),
        };
        self.group_by.iter().map(part).collect()
    }

    fn key(name: Option<&str>) -> Vec<u8> {
        [POLICY, blake3::hash(name.unwrap_or_default().as_bytes()).as_bytes()].concat()
    }

    /// Lines of a word and what it says.
    fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        let mut line = |word: &str, says: &str| {
            // Writing to text does not fail.
            let _ = writeln!(text, "{word} {}", says.escape_default());
        };
        if let Some(name) = &self.name {
            line("name", name);
        }
        for (key, value) in &self.metadata {
            line("meta", &format!("{key}={value}"));
        }
        self.group_by.iter().for_each(|key| line("group-by", key));
        let Rules { last, hourly, daily, weekly, monthly, yearly, within } = &self.rules;
        let counts = [last, hourly, daily, weekly, monthly, yearly];
        for (word, count) in COUNTS.iter().zip(counts).filter(|(_, count)| **count != 0) {
            line(word, &count.to_string());
        }
        if let Some(within) = within {
            line("within", within);
        }
        text.into_bytes()
    }

    fn decode(value: &[u8]) -> Result<Policy> {
        let damaged = || Error::damaged("a policy of retention", 0, "expected words and numbers");
        let mut policy = Policy::default();
        for line in std::str::from_utf8(value).map_err(|_| damaged())?.lines() {
            let (word, says) = line.split_once(' ').ok_or_else(damaged)?;
            let says = unescaped(says).ok_or_else(damaged)?;
            let rules = &mut policy.rules;
            let count = match word {
                "name" => {
                    policy.name = Some(says);
                    continue;
                }
                "meta" => {
                    let (key, value) = says.split_once('=').ok_or_else(damaged)?;
                    policy.metadata.insert(key.into(), value.into());
                    continue;
                }
                "group-by" => {
                    policy.group_by.push(says);
                    continue;
                }
                "within" => {
                    rules.within = Some(says);
                    continue;
                }
                "last" => &mut rules.last,
                "hourly" => &mut rules.hourly,
                "daily" => &mut rules.daily,
                "weekly" => &mut rules.weekly,
                "monthly" => &mut rules.monthly,
                "yearly" => &mut rules.yearly,
                other => {
                    return Err(Error::newer("a policy of retention", format!("the rule {other}")));
                }
            };
            *count = says.parse().map_err(|_| damaged())?;
        }
        Ok(policy)
    }
}

const COUNTS: [&str; 6] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];

/// What `escape_default` was given.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        plain.push(match next {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    let number = u32::from_str_radix(digits.strip_prefix('{')?, 16).ok()?;
                    char::from_u32(number)?
                }
                other => other,
            },
            plain => plain,
        });
    }
    Some(plain)
}

impl Reader {
    /// The policies that are kept.
    pub fn policies(&self) -> Result<Vec<Policy>> {
        let mut policies = self
            .system(POLICY)?
            .iter()
            .map(|(_, value)| Policy::decode(value))
            .collect::<Result<Vec<_>>>()?;
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(policies)
    }

    /// What becomes of each snapshot that a policy is for, in the order of names.
    fn judge(&self, policies: &[Policy], zone: &TimeZone) -> Result<Vec<Judged>> {
        let made = self.snapshots_made()?;
        let snapshots = self.snapshots()?;
        let mut reasons: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for policy in policies {
            let filter = SnapshotFilter::new(policy.name.as_deref(), policy.metadata.clone())?;
            let taken = snapshots.iter().enumerate();
            let taken = taken.filter(|(_, one)| filter.takes(&one.name, &one.metadata));
            let (places, states): (Vec<usize>, Vec<Candidate>) = taken
                .map(|(at, one)| {
                    let sequence = made.get(&one.name).copied().unwrap_or_default();
                    let (time, held, group) = (one.created_at, one.held, policy.group(one));
                    (at, Candidate { sequence, time, held, group })
                })
                .unzip();
            let judged = policy.rules.judge(&states, self.now(), zone)?;
            // What several policies are for stays if any of them keeps it.
            for (at, why) in places.into_iter().zip(judged) {
                reasons.entry(at).or_default().extend(why);
            }
        }
        let found = snapshots.into_iter().enumerate().filter_map(|(at, snapshot)| {
            let mut seen = BTreeSet::new();
            let mut reasons = reasons.remove(&at)?;
            reasons.retain(|reason| seen.insert(reason.clone()));
            Some(Judged { snapshot, reasons })
        });
        Ok(found.collect())
    }
}

impl Database {
    /// Removes the snapshots that the policies are for and do not keep; with `dry_run` only says
    /// which those are. Without policies those that are kept in the database count.
    pub fn keep(&self, policies: &[Policy], zone: &TimeZone, dry_run: bool) -> Result<Vec<Judged>> {
        let judge = |reader: &Reader| match policies {
            [] => {
                let kept = reader.policies()?;
                let none = "no rules were given, and the database has none";
                if kept.is_empty() { Err(Error::invalid(none)) } else { reader.judge(&kept, zone) }
            }
            given => reader.judge(given, zone),
        };
        if dry_run {
            return judge(&self.reader()?);
        }
        let mut writer = self.writer_for(Purpose::Removal)?;
        let judged = judge(&writer.reader()?)?;
        let mut changed = false;
        for one in judged.iter().filter(|one| one.reasons.is_empty()) {
            writer.remove_snapshot(&one.snapshot.name)?;
            changed = true;
        }
        if changed {
            writer.commit()?;
        }
        Ok(judged)
    }

    /// Keeps a policy in the place of the one for the same pattern of names.
    pub fn set_policy(&self, policy: &Policy) -> Result<()> {
        policy.rules.check()?;
        SnapshotFilter::new(policy.name.as_deref(), BTreeMap::new())?;
        let mut writer = self.writer()?;
        writer.set_system(&Policy::key(policy.name.as_deref()), Some(policy.encode()))?;
        writer.commit()?;
        Ok(())
    }

    /// Removes the policy for a pattern of names.
    pub fn remove_policy(&self, name: Option<&str>) -> Result<()> {
        let mut writer = self.writer_for(Purpose::Removal)?;
        let key = Policy::key(name);
        if writer.system(&key)?.is_none() {
            let shown = name.unwrap_or("*");
            return Err(Error::not_found(format!("a policy for the names '{shown}'")));
        }
        writer.set_system(&key, None)?;
        writer.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_was_kept() {
        let policy = Policy {
            name: Some("host/*\n\u{e4}\\'\"".into()),
            metadata: BTreeMap::from([("k".into(), "a=b c".into())]),
            group_by: vec!["prefix".into(), "host".into()],
            rules: Rules { last: -1, yearly: 3, within: Some("1y 6mo".into()), ..Rules::default() },
        };
        assert_eq!(Policy::decode(&policy.encode()).unwrap(), policy);
        let newer = Policy::decode(b"fortnightly 3\n").unwrap_err();
        assert!(matches!(newer, Error::Newer { .. }), "{newer}");
        for damaged in [&b"last x\n"[..], b"last\n", b"\xff", b"name \\u{zz}\n", b"meta a\n"] {
            assert!(Policy::decode(damaged).is_err(), "{damaged:?}");
        }
    }
}
