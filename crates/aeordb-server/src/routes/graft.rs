//! What is at a path as a sealed file: out for a restore that is done elsewhere, or in outline for
//! a put that is made elsewhere; in as what that put comes to.

use std::io::{BufReader, Write};
use std::sync::Arc;

use aeordb::Error;
use aeordb::backup::{self, Input};
use aeordb::object::Path;
use aeordb::watch::Watch;
use aeordb_api::files::StoredTree;
use aeordb_api::table::ReadQuery;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::admin::Cancelled;
use super::files::{insert_version, version_of};
use super::streams::{MEDIA_TYPE, piped};
use super::upload::refused;
use super::{Leaves, json_answer};
use crate::app::App;
use crate::outgoing::unmeasured;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::spool;

/// Sends what is at `path`: an export of nothing else, or with `outline` its nodes alone.
pub async fn get(request: Request, query: ReadQuery, path: Path) -> Answer {
    let outline = query.outline;
    let app = &request.app;
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(app, &reader, &query).await?;
    let shared = reader.clone();
    let (top, part) = (path.clone(), !outline);
    let part = app
        .blocking(move |_| {
            let part = part.then(|| backup::subtree(&shared, &[version], &top)).transpose();
            part.map_err(|error| match error {
                Error::NotFound(_) => Problem::not_found(format!("{top} in version {version}")),
                other => other.into(),
            })
        })
        .await?;
    let make = move |_: &App, out: &mut dyn Write, watch: &Watch| match part {
        None => backup::export_outline(&reader, &version, &path, out, watch),
        Some((reader, parts)) => {
            parts.iter().try_for_each(|part| backup::export(&reader, part, out, watch).map(drop))
        }
    };
    let body = match request.method {
        Method::HEAD => unmeasured(),
        // Many do this at once, and it is done soon: they wait instead of being sent away.
        _ => {
            let place = app.place(&app.uploads, &request.caller.key, 1).await?;
            piped(app, place, make).await?
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    insert_version(response.headers_mut(), &version);
    if !outline {
        response.extensions_mut().insert(Leaves);
    }
    Ok(response)
}

/// Puts at `path` what the body leads to, if what is there is what it starts from.
pub async fn put(mut request: Request, path: Path) -> Answer {
    if [IF_MATCH, IF_NONE_MATCH].iter().any(|name| request.headers.contains_key(name)) {
        let detail = "a patch says itself what must be there: no If-Match, no If-None-Match";
        return Err(Problem::invalid(detail));
    }
    let only_adds = request.rights.append_only;
    let file = spool::take(&request.app.clone(), request.incoming()).await?;
    let watch = Cancelled(Arc::default());
    let seen = watch.0.clone();
    let work = move |app: &Arc<App>| {
        let input = Input::Stream(Box::new(BufReader::with_capacity(256 * 1024, file)));
        backup::graft(&app.database, input, &path, only_adds, &seen).map_err(|error| match error {
            Error::Exists(_) => refused(error.into(), only_adds),
            other => Problem::of_backup(other),
        })
    };
    let report = request.app.writing(work).await?;
    Ok(json_answer(StatusCode::OK, &StoredTree::from(&report)))
}
