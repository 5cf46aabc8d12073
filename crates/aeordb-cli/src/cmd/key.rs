//! `key create | list | revoke`

use aeordb::{Error, Result};
use aeordb_server::json as shown;
use aeordb_server::keys::{self, NewKey, Rights};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::app::{App, Outcome};
use crate::args::Key;
use crate::exit::{self, About, Subject};
use crate::remote::{Client, Method, Payload, encoded};
use crate::text;

pub fn run(app: &mut App, args: Key) -> Outcome {
    match args {
        Key::Create { name, scope, expires } => {
            let rights = Rights::parse(scope.iter().map(String::as_str))?;
            let expires_at = expires.as_deref().map(expiry).transpose()?;
            let database = app.open_or_create()?;
            let new = NewKey { name, rights, expires_at };
            let (key, text) = keys::create(&database, new).about(Subject::Database)?;
            database.close().about(Subject::Database)?;
            created(app, shown::key(&key), &text)?;
        }
        Key::List => {
            let opened = app.open()?;
            for key in keys::list(&opened.reader).about(Subject::Database)? {
                listed(app, &shown::key(&key))?;
            }
        }
        Key::Revoke { id } => {
            let database = app.open_writer()?;
            let key = keys::revoke(&database, &id, &Rights::admin()).about(Subject::Key)?;
            database.close().about(Subject::Database)?;
            // Whoever has the file may do everything.
            if let Some(key) = key {
                revoked(app, &shown::key(&key))?;
            }
        }
    }
    Ok(exit::DONE)
}

/// The same through a server.
pub fn through(app: &mut App, client: &Client, args: Key) -> Outcome {
    match args {
        Key::Create { name, scope, expires } => {
            let mut body = json!({ "name": name, "scopes": scope });
            if let (Some(expires), Some(members)) = (expires, body.as_object_mut()) {
                let end = shown::time(expiry(&expires)?);
                members.insert("expires_at".into(), end.into());
            }
            let mut key = client.post("/admin/keys", body)?;
            let text = key.as_object_mut().and_then(|key| key.remove("key"));
            let text = text.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            created(app, key, &text)?;
        }
        Key::List => client.pages("/admin/keys", |key| listed(app, key).map(|()| true))?,
        Key::Revoke { id } => {
            let place = format!("/admin/keys/{}", encoded(&id));
            let reply = client.send(Method::DELETE, &place, &[], Payload::Empty);
            revoked(app, &client.value(reply.about(Subject::Key)?)?)?;
        }
    }
    Ok(exit::DONE)
}

/// The key stands alone on the first line: it is shown this once.
fn created(app: &mut App, mut key: Value, text: &str) -> Result<()> {
    if app.global.json {
        if let Some(members) = key.as_object_mut() {
            members.insert("key".into(), text.into());
        }
        return app.out.json(&key);
    }
    app.out.line(text)?;
    if !app.global.quiet {
        let id = key["id"].as_str().unwrap_or_default();
        app.out.message(&format!("aeordb: key {id} is shown only this once"));
    }
    Ok(())
}

fn listed(app: &mut App, key: &Value) -> Result<()> {
    if app.global.json {
        return app.out.json(key);
    }
    let member = |name: &str| text::printable(key[name].as_str().unwrap_or("-"));
    let scopes = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let scopes = scopes.collect::<Vec<_>>().join(",");
    let state = match (key["revoked_at"].as_str(), key["expires_at"].as_str()) {
        (Some(when), _) => format!("  (revoked {when})"),
        (None, Some(when)) => format!("  (expires {when})"),
        (None, None) => String::new(),
    };
    let (id, created, name) = (member("id"), member("created_at"), member("name"));
    app.out.line(&format!("{id}  {created}  {scopes:<24}  {name}{state}"))
}

fn revoked(app: &mut App, key: &Value) -> Result<()> {
    if app.global.json {
        return app.out.json(key);
    }
    if app.global.quiet {
        return Ok(());
    }
    let id = key["id"].as_str().unwrap_or_default();
    app.out.line(&format!("Key {id} revoked."))
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
