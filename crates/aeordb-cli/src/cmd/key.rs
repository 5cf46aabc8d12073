//! `key create | list | revoke`

use std::ffi::OsString;

use aeordb::{Error, Result};
use aeordb_api::keys::{CreatedKey, Key as Shown, NewKey};
use aeordb_api::{Name, Time};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::location::target;
use crate::text;

pub const HELP: &str = "\
Scopes: read, write, snapshot, export, import, promote, gc, keys, admin (all of them). Presets: \
append-only (write and snapshot, nothing that removes or replaces), backup (export only).

While a server serves the database, keys are made through it: --server URL, with a key in \
AEORDB_API_KEY that has the scope keys.

Examples:
  aeordb key create --name laptop --scope read,write
  aeordb key list
  aeordb key revoke 5f0q9d1u2k7v3m8s";

const CREATE_HELP: &str = "\
Examples:
  aeordb key create --name laptop --scope read,write --expires 90d
  aeordb key create --name nightly --scope backup --server http://127.0.0.1:3000
  aeordb key create --name a --scope read,append-only --path /hosts/a";

const LIST_HELP: &str = "\
Examples:
  aeordb key list";

const REVOKE_HELP: &str = "\
Examples:
  aeordb key revoke 5f0q9d1u2k7v3m8s";

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make a key and print it, this once
    #[command(after_help = CREATE_HELP)]
    Create {
        /// What the key is called
        #[arg(long)]
        name: String,
        /// What it may do: scopes and presets, separated by commas
        #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPE")]
        scope: Vec<String>,
        /// Let it read and put at and below this path alone; what it replaces there stays in history
        #[arg(long, value_name = "PATH")]
        path: Option<OsString>,
        /// When it stops to open anything: 90d, 12h, or a time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List all keys, without their secrets
    #[command(after_help = LIST_HELP)]
    List,
    /// Make a key open nothing from now on
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// The public id: the middle part of the key
        id: String,
    },
}

pub fn run(app: &mut App, home: &dyn Home, args: Key) -> Outcome {
    match args {
        Key::Create { name, scope, path, expires } => {
            let expires_at = expires.as_deref().map(expiry).transpose()?.map(Time);
            let path = path.map(|path| target(&path)).transpose()?.map(|target| target.path);
            let path = path.map(|path| Name::new(path.as_bytes()));
            let path_b64 = path.as_ref().and_then(|path| path.b64.clone());
            let path = path.map(|path| path.text);
            let new = NewKey { name, scopes: scope, path, path_b64, expires_at };
            let key = home.create_key(app, new)?;
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
    let path = key.path.as_ref().map(|path| format!(" at {}", text::printable(path)));
    let (created, scopes) = (key.created_at, key.scopes.join(",") + &path.unwrap_or_default());
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
