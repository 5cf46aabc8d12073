//! What a user calls a version: a snapshot's name, a hash or a unique prefix of it, `HEAD`, `HEAD~n`
//! or `@{TIME}` through history, `latest` for the newest snapshot.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::db::journal;
use crate::db::{Reader, Snapshot};
use crate::error::{Error, Result};
use crate::hash::{Kind, VersionId};
use crate::moment;
use crate::store::{ReadEntries, ViewEntries};

/// Fewest digits that may stand for a whole hash.
const PREFIX_LEN_MIN: usize = 8;

/// The version that `spec` names.
pub fn resolve(reader: &Reader, spec: &str) -> Result<VersionId> {
    if spec == "HEAD" {
        return Ok(reader.head());
    }
    if let Some(back) = spec.strip_prefix("HEAD~") {
        let back = if back.is_empty() { Ok(1) } else { back.parse::<u64>() };
        let back =
            back.map_err(|_| Error::invalid(format!("'{spec}' is not HEAD~ and a number")))?;
        return head_before(reader, back, spec);
    }
    if let Some(time) = time_in(spec) {
        return head_at(reader, moment::parse(time, reader.now())?);
    }
    let store = reader.view();
    if let Some(snapshot) = journal::snapshot(store, store.root(), spec)? {
        return Ok(snapshot.version);
    }
    if let Ok(version) = spec.parse::<VersionId>() {
        store.read(Kind::Version, &version.0).map_err(|error| match error {
            Error::NotFound(_) => Error::not_found(format!("version {version}")),
            other => other,
        })?;
        return Ok(version);
    }
    if spec == "latest" {
        let made = reader.snapshots_made()?;
        let order = |one: &Snapshot| (made.get(&one.name).copied(), one.created_at);
        let newest = reader.snapshots()?.into_iter().max_by_key(order);
        let newest = newest.ok_or_else(|| Error::not_found("version 'latest' (no snapshots)"))?;
        return Ok(newest.version);
    }
    let digits = spec.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits && (PREFIX_LEN_MIN..64).contains(&spec.len()) {
        return by_prefix(reader, &spec.to_ascii_lowercase());
    }
    Err(Error::not_found(format!("version or snapshot '{spec}'")))
}

/// The same, or what HEAD was at a time, where nothing is called so.
pub fn resolve_or_time(reader: &Reader, spec: &str) -> Result<VersionId> {
    match resolve(reader, spec) {
        Err(Error::NotFound(what)) => match moment::parse(spec, reader.now()) {
            Ok(moment) => head_at(reader, moment),
            Err(_) => Err(Error::NotFound(what)),
        },
        resolved => resolved,
    }
}

/// What stands in `@{…}`.
fn time_in(spec: &str) -> Option<&str> {
    let spec = spec.strip_prefix("HEAD").unwrap_or(spec);
    spec.strip_prefix("@{")?.strip_suffix('}')
}

/// What HEAD was at a moment: the newest that is not younger, in the order of commits, so that what a
/// clock that was wrong for a while has said is passed over.
fn head_at(reader: &Reader, moment: i64) -> Result<VersionId> {
    let mut oldest = None;
    for entry in reader.history()? {
        let entry = entry?;
        if entry.promoted {
            if entry.time <= moment {
                return Ok(entry.version);
            }
            oldest = Some(entry.time);
        }
    }
    let since = match oldest.and_then(|oldest| Timestamp::from_nanosecond(oldest.into()).ok()) {
        Some(oldest) => format!("history goes back to {oldest:.0}"),
        None => "there is no history".into(),
    };
    Err(Error::not_found(format!("a version of that time ({since})")))
}

/// The version that HEAD was `back` moves ago.
fn head_before(reader: &Reader, back: u64, spec: &str) -> Result<VersionId> {
    let mut heads = 0;
    for entry in reader.history()? {
        let entry = entry?;
        if entry.promoted {
            if heads == back {
                return Ok(entry.version);
            }
            heads += 1;
        }
    }
    match back {
        0 => Ok(reader.head()),
        _ => {
            Err(Error::not_found(format!("version '{spec}' (history goes back {heads} versions)")))
        }
    }
}

/// The one known version whose hash starts with these digits.
fn by_prefix(reader: &Reader, prefix: &str) -> Result<VersionId> {
    let mut found = BTreeSet::new();
    let mut look_at = |version: VersionId| {
        if version.to_string().starts_with(prefix) {
            found.insert(version);
        }
    };
    look_at(reader.head());
    for snapshot in reader.snapshots()? {
        look_at(snapshot.version);
    }
    for entry in reader.history()? {
        look_at(entry?.version);
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(version), None) => Ok(version),
        (None, _) => Err(Error::not_found(format!("version or snapshot '{prefix}'"))),
        (Some(a), Some(b)) => {
            Err(Error::invalid(format!("'{prefix}' is not unique: it begins versions {a} and {b}")))
        }
    }
}
