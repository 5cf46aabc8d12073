//! What a user calls a version: a snapshot's name, a hash or a unique prefix of it, `HEAD`, or
//! `HEAD~n` through history.

use std::collections::BTreeSet;

use crate::db::Reader;
use crate::db::journal;
use crate::error::{Error, Result};
use crate::hash::{Kind, VersionId};
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
    let store = reader.view();
    if let Some(snapshot) = journal::snapshot(store, &store.root().snapshots, spec)? {
        return Ok(snapshot.version);
    }
    if let Ok(version) = spec.parse::<VersionId>() {
        store.read(Kind::Version, &version.0).map_err(|error| match error {
            Error::NotFound(_) => Error::not_found(format!("version {version}")),
            other => other,
        })?;
        return Ok(version);
    }
    let digits = spec.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits && (PREFIX_LEN_MIN..64).contains(&spec.len()) {
        return by_prefix(reader, &spec.to_ascii_lowercase());
    }
    Err(Error::not_found(format!("version or snapshot '{spec}'")))
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
