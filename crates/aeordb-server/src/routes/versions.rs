//! Versions: their names, the history of HEAD, and what changed between two of them.

use std::fmt;

use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb_api::table::{
    ChangesQuery, CreateSnapshot, DeleteSnapshot, ListChanges, ListHistory, ListSnapshots,
    PageQuery,
};
use aeordb_api::versions::{Change, Changes, HistoryEntry, NewSnapshot, Snapshot};
use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;

use super::admin::Cancelled;
use super::streams::{part, path_of};
use super::{Route, items_max, json_answer, no_content, page};
use crate::problem::{Answer, Problem};
use crate::request::Request;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ListSnapshots>(|request, query| Box::pin(list(request, query))),
        Route::of::<CreateSnapshot>(|request, _| Box::pin(create(request))),
        Route::of::<DeleteSnapshot>(|request, _| Box::pin(delete(request))),
        Route::of::<ListHistory>(|request, query| Box::pin(history(request, query))),
        Route::of::<ListChanges>(|request, query| Box::pin(changes(request, query))),
    ]
}

async fn list(request: Request, query: PageQuery) -> Answer {
    let limit = items_max(query.limit, 1000);
    let after = query.cursor.map(|cursor| cursor.0);
    request
        .app
        .blocking(move |app| {
            let found = app.reader()?.snapshots()?;
            let after = |name: &str| after.as_deref().is_none_or(|after| name > after);
            let mut found = found.into_iter().filter(|one| after(&one.name));
            let items: Vec<_> = found.by_ref().take(limit).collect();
            let more = found.next().is_some();
            let next = items.last().filter(|_| more).map(|one| one.name.clone());
            Ok(page(items.iter().map(Snapshot::from).collect(), next))
        })
        .await
}

async fn create(mut request: Request) -> Answer {
    let NewSnapshot { name, version, metadata } = request.incoming().json().await?;
    let answer = request.app.writing(move |app| {
        let reader = app.database.reader()?;
        let version = reader.resolve(version.as_deref().unwrap_or("HEAD"))?;
        let was_there = reader.snapshot(&name)?.is_some();
        let made = app.database.create_snapshot(&name, &version, metadata)?;
        let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
        Ok(json_answer(status, &Snapshot::from(&made)))
    });
    answer.await
}

async fn delete(request: Request) -> Answer {
    let name = request.name()?;
    request.app.writing(move |app| Ok(app.database.delete_snapshot(&name)?)).await?;
    Ok(no_content())
}

async fn history(request: Request, query: PageQuery) -> Answer {
    let limit = items_max(query.limit, 100);
    let cursor = query.cursor.map(|cursor| {
        let bad = |_| Problem::invalid("the cursor is not the `next` of a page");
        cursor.0.parse::<u64>().map_err(bad)
    });
    let before = cursor.transpose()?;
    request
        .app
        .blocking(move |app| {
            let reader = app.reader()?;
            let mut items: Vec<HistoryEntry> = Vec::new();
            let mut last = None;
            for entry in reader.history_before(before)? {
                let entry = entry?;
                if items.len() == limit {
                    return Ok(page(items, last));
                }
                last = Some(entry.sequence.to_string());
                items.push(HistoryEntry::from(&entry));
            }
            Ok(page(items, None))
        })
        .await
}

async fn changes(request: Request, query: ChangesQuery) -> Answer {
    let ChangesQuery { from, to, path, with, cursor, limit } = query;
    let (limit, from) = (items_max(limit, 1000), from.0);
    let to = to.map_or_else(|| "HEAD".to_owned(), |to| to.0);
    let (path, reader) = (path_of(path.as_ref())?, request.reader(with.as_ref())?);
    let cursor = cursor.map(|cursor| Cursor::parse(&cursor.0)).transpose()?;
    let watched = Cancelled::default();
    let watch = watched.0.clone();
    request
        .app
        .blocking(move |app| {
            let (from, to, after) = match cursor {
                Some(Cursor { from, to, after }) => (from, to, Some(after)),
                None => (reader.resolve(&from)?, reader.resolve(&to)?, None),
            };
            let (reader, [part_from, part_to]) = part(Reader::clone(&reader), [from, to], path)?;
            let comparison = app.comparisons.get(&reader, &part_from, &part_to, &watch)?;
            let mut found = comparison.changes(&reader, after.as_ref(), &watch)?;
            let mut last = None;
            let mut items = Vec::new();
            for change in found.by_ref().take(limit) {
                let change = change?;
                items.push(Change::from(&change));
                last = Some(change.path().clone());
            }
            let is_more = found.next().transpose()?.is_some();
            let next = last.filter(|_| is_more).map(|after| Cursor { from, to, after }.to_string());
            let reply = Changes { from: from.into(), to: to.into(), items, next };
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
