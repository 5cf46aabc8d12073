//! Directories in pages, what is recorded of a path, and the versions that changed it.

use aeordb::hash::VersionId;
use aeordb_api::table::ReadQuery;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;

use super::files::{insert_version, tag_of, version_of};
use super::{download, items_max, json_answer};
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::service::Place;
use crate::service::listing::Listing;

/// Items of a page that does not say how many.
const LIMIT: usize = 1000;

/// Lists the directory at a place, or says what is recorded of what is there.
pub async fn get(request: Request, query: ReadQuery, place: Place) -> Answer {
    let service = &request.app.service;
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(service, &reader, &query).await?;
    let ReadQuery { stat, recursive, prefix, after, cursor, limit, .. } = query;
    let page = Listing {
        prefix: prefix.map(|prefix| prefix.0).unwrap_or_default(),
        cursor: cursor.map(|cursor| cursor.0),
        after: after.map(|after| after.0),
        limit: items_max(limit, LIMIT),
    };
    page.check(recursive)?;
    let is_root = place.path.is_root();
    if is_root && download::is_tag_known(&request.headers, &tag_of(&version)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(named_version(response, &version, is_root));
    }
    let ok = StatusCode::OK;
    let response = if stat {
        json_answer(ok, &service.stat(reader, version, place).await?)
    } else if recursive {
        json_answer(ok, &service.list_tree(reader, version, place.path, page).await?)
    } else {
        json_answer(ok, &service.list(reader, version, place.path, page).await?)
    };
    Ok(named_version(response, &version, is_root))
}

/// Says which version was read. Of the whole tree that is the tag too.
fn named_version(mut response: Response, version: &VersionId, is_root: bool) -> Response {
    insert_version(response.headers_mut(), version);
    if is_root {
        response.headers_mut().insert(ETAG, tag_of(version));
    }
    response
}

/// A page of the versions that changed what is at a place.
pub async fn trace(request: Request, query: ReadQuery, place: Place) -> Answer {
    if query.version.is_some() || query.snapshot.is_some() {
        return Err(Problem::invalid("log is about all versions: it takes none"));
    }
    let reader = request.reader(query.with.as_ref())?;
    let (cursor, limit) = (query.cursor.map(|cursor| cursor.0), items_max(query.limit, LIMIT));
    let page = request.app.service.trace(reader, place.path, cursor, limit).await?;
    Ok(json_answer(StatusCode::OK, &page))
}
