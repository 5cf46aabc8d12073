//! `key create | list | revoke`

use aeordb::{Error, Result};
use aeordb_api::Time;
use aeordb_api::keys::{CreatedKey, Key as Shown, NewKey};
use jiff::{SignedDuration, Timestamp};

use crate::app::{App, Outcome};
use crate::args::Key;
use crate::exit;
use crate::home::Home;
use crate::text;

pub fn run(app: &mut App, home: &dyn Home, args: Key) -> Outcome {
    match args {
        Key::Create { name, scope, expires } => {
            let expires_at = expires.as_deref().map(expiry).transpose()?.map(Time);
            let key = home.create_key(app, NewKey { name, scopes: scope, expires_at })?;
            created(app, &key)?;
        }
        Key::List => {
            for key in home.keys(app)? {
                listed(app, &key)?;
            }
        }
        Key::Revoke { id } => revoked(app, &home.revoke_key(app, &id)?)?,
    }
    Ok(exit::DONE)
}

/// The key stands alone on the first line: it is shown this once.
fn created(app: &mut App, key: &CreatedKey) -> Result<()> {
    if app.global.json {
        return app.out.json(key);
    }
    app.out.line(&key.key)?;
    if !app.global.quiet {
        app.out.message(&format!("aeordb: key {} is shown only this once", key.of.id));
    }
    Ok(())
}

fn listed(app: &mut App, key: &Shown) -> Result<()> {
    if app.global.json {
        return app.out.json(key);
    }
    let state = match (key.revoked_at, key.expires_at) {
        (Some(when), _) => format!("  (revoked {when})"),
        (None, Some(when)) => format!("  (expires {when})"),
        (None, None) => String::new(),
    };
    let (id, name) = (text::printable(&key.id), text::printable(&key.name));
    let (created, scopes) = (key.created_at, key.scopes.join(","));
    app.out.line(&format!("{id}  {created}  {scopes:<24}  {name}{state}"))
}

fn revoked(app: &mut App, key: &Shown) -> Result<()> {
    if app.global.json {
        return app.out.json(key);
    }
    if app.global.quiet {
        return Ok(());
    }
    app.out.line(&format!("Key {} revoked.", key.id))
}

/// `90d`, `12h`, or a time as RFC 3339.
fn expiry(word: &str) -> Result<i64> {
    let bad = || Error::invalid(format!("'{word}' is not like 90d, 12h or 2030-01-01T00:00:00Z"));
    let time = match word.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let (digits, unit) =
                word.split_at_checked(word.len().saturating_sub(1)).ok_or_else(bad)?;
            let hours = match unit {
                "h" => 1,
                "d" => 24,
                "w" => 24 * 7,
                _ => return Err(bad()),
            };
            let count = digits.parse::<i64>().ok().filter(|count| *count > 0).ok_or_else(bad)?;
            let hours = count.checked_mul(hours).filter(|hours| *hours < 1_000_000);
            let span = SignedDuration::from_hours(hours.ok_or_else(bad)?);
            Timestamp::now().checked_add(span).map_err(|_| bad())?
        }
    };
    i64::try_from(time.as_nanosecond()).map_err(|_| bad())
}
