//! Versions: their names, the history of HEAD, and what changed between two of them.

use std::collections::BTreeMap;
use std::fmt;

use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use axum::http::{Method, StatusCode};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::streams::{part, path_of};
use super::{Content, Needs, Route, json_answer, no_content, page};
use crate::json;
use crate::keys::Scope;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema;
use crate::schema::{
    closed, count, flag, hash, map, object, one_of, or_null, text, text_or_null, word,
};

const PAGE: &[(&str, &str)] =
    &[("cursor", "the `next` of the page before"), ("limit", "1 to 10000 items")];

pub fn routes() -> Vec<Route> {
    let snapshot = object(&[
        ("name", text()),
        ("version", hash()),
        ("created_at", text()),
        ("metadata", map()),
    ]);
    let entry = object(&[
        ("sequence", count()),
        ("time", text()),
        ("version", hash()),
        ("what", text()),
        ("promoted", flag()),
    ]);
    let change = one_of(&["added", "modified", "deleted", "renamed"]);
    let change = object(&[("path", text()), ("change", change), ("from?", text())]);
    let items = json!({ "type": "array", "items": change });
    let listed =
        object(&[("from", hash()), ("to", hash()), ("items", items), ("next", text_or_null())]);
    let new = closed(&[("name", word()), ("version?", or_null(word())), ("metadata?", map())]);
    vec![
        Route::new(
            Method::GET,
            "/admin/snapshots",
            Needs::Scope(Scope::Read),
            "List the snapshots",
            |request| Box::pin(list(request)),
        )
        .query(PAGE)
        .answer(
            200,
            "A page of them, by name",
            Content::Json(schema::page(snapshot.clone())),
        ),
        Route::new(
            Method::POST,
            "/admin/snapshots",
            Needs::Scope(Scope::Snapshot),
            "Name HEAD, or another version",
            |request| Box::pin(create(request)),
        )
        .body(Content::Json(new))
        .answer(201, "The snapshot", Content::Json(snapshot.clone()))
        .answer(200, "It was there already", Content::Json(snapshot)),
        Route::new(
            Method::DELETE,
            "/admin/snapshots/{name}",
            Needs::Removal(Scope::Snapshot),
            "Take a name away",
            |request| Box::pin(delete(request)),
        )
        .answer(204, "It is gone", Content::None),
        Route::new(
            Method::GET,
            "/admin/history",
            Needs::Scope(Scope::Read),
            "What HEAD was, newest first, and what was imported",
            |request| Box::pin(history(request)),
        )
        .query(PAGE)
        .answer(200, "A page of it", Content::Json(schema::page(entry))),
        Route::new(
            Method::GET,
            "/admin/changes",
            Needs::Scope(Scope::Read),
            "The changes between two versions",
            |request| Box::pin(changes(request)),
        )
        .query(&[
            ("from", "the version to start from"),
            ("to", "the version to arrive at; HEAD"),
            ("path", "only what is at this path"),
            ("with", "read with this overlay"),
            ("cursor", "the `next` of the page before"),
            ("limit", "1 to 10000 items"),
        ])
        .required("from")
        .answer(200, "A page of them, by path", Content::Json(listed)),
    ]
}

async fn list(request: Request) -> Answer {
    let limit = request.limit(1000)?;
    let after = request.query("cursor")?.map(str::to_owned);
    request
        .app
        .blocking(move |app| {
            let found = app.reader()?.snapshots()?;
            let after = |name: &str| after.as_deref().is_none_or(|after| name > after);
            let mut found = found.into_iter().filter(|one| after(&one.name));
            let items: Vec<_> = found.by_ref().take(limit).collect();
            let more = found.next().is_some();
            let next = items.last().filter(|_| more).map(|one| one.name.clone());
            Ok(page(items.iter().map(json::snapshot).collect(), next))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSnapshot {
    name: String,
    version: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

async fn create(mut request: Request) -> Answer {
    let NewSnapshot { name, version, metadata } = request.incoming().json().await?;
    let answer = request.app.writing(move |app| {
        let reader = app.database.reader()?;
        let version = reader.resolve(version.as_deref().unwrap_or("HEAD"))?;
        let was_there = reader.snapshot(&name)?.is_some();
        let made = app.database.create_snapshot(&name, &version, metadata)?;
        let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
        Ok(json_answer(status, &json::snapshot(&made)))
    });
    answer.await
}

async fn delete(request: Request) -> Answer {
    let name = request.name()?;
    request.app.writing(move |app| Ok(app.database.delete_snapshot(&name)?)).await?;
    Ok(no_content())
}

async fn history(request: Request) -> Answer {
    let limit = request.limit(100)?;
    let cursor = request.query("cursor")?.map(|cursor| {
        let bad = |_| Problem::invalid("the cursor is not the `next` of a page");
        cursor.parse::<u64>().map_err(bad)
    });
    let before = cursor.transpose()?;
    request
        .app
        .blocking(move |app| {
            let reader = app.reader()?;
            let mut items: Vec<Value> = Vec::new();
            let mut last = None;
            for entry in reader.history_before(before)? {
                let entry = entry?;
                if items.len() == limit {
                    return Ok(page(items, last));
                }
                last = Some(entry.sequence.to_string());
                items.push(json::history(&entry));
            }
            Ok(page(items, None))
        })
        .await
}

async fn changes(request: Request) -> Answer {
    let limit = request.limit(1000)?;
    let missing = || Problem::invalid("from= is missing");
    let from = request.query("from")?.ok_or_else(missing)?.to_owned();
    let to = request.query("to")?.unwrap_or("HEAD").to_owned();
    let (path, reader) = (path_of(&request)?, request.reader()?);
    let cursor = request.query("cursor")?.map(Cursor::parse).transpose()?;
    request
        .app
        .blocking(move |app| {
            let (from, to, after) = match cursor {
                Some(Cursor { from, to, after }) => (from, to, Some(after)),
                None => (reader.resolve(&from)?, reader.resolve(&to)?, None),
            };
            let (reader, [part_from, part_to]) = part(Reader::clone(&reader), [from, to], path)?;
            let comparison = app.comparisons.get(&reader, &part_from, &part_to)?;
            let mut found = comparison.changes(&reader, after.as_ref())?;
            let mut last = None;
            let mut items = Vec::new();
            for change in found.by_ref().take(limit) {
                let change = change?;
                items.push(json::change(&change));
                last = Some(change.path().clone());
            }
            let is_more = found.next().transpose()?.is_some();
            let next = last.filter(|_| is_more).map(|after| Cursor { from, to, after }.to_string());
            let (from, to) = (from.to_string(), to.to_string());
            let reply = json!({ "from": from, "to": to, "items": items, "next": next });
            Ok(json_answer(StatusCode::OK, &reply))
        })
        .await
}

/// Where a page of changes starts. It names the versions by their hashes: what is called HEAD may
/// be another version by then.
struct Cursor {
    from: VersionId,
    to: VersionId,
    after: Path,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Problem> {
        Self::parts(text)
            .ok_or_else(|| Problem::invalid("the cursor is not the `next` of a page of changes"))
    }

    fn parts(text: &str) -> Option<Self> {
        let (from, rest) = text.split_once('.')?;
        let (to, after) = rest.split_once('.')?;
        let after = BASE64URL_NOPAD.decode(after.as_bytes()).ok()?;
        let after = Path::parse(&after).ok()?;
        Some(Cursor { from: from.parse().ok()?, to: to.parse().ok()?, after })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = BASE64URL_NOPAD.encode(self.after.as_bytes());
        write!(f, "{}.{}.{after}", self.from, self.to)
    }
}
