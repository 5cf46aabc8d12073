//! Exports and patches that are made while they are sent. What is to be resumed is written to the
//! backup directory instead: a stream has no fixed layout.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::backup;
use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb::watch::Watch;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use super::admin::seconds;
use super::{Content, Needs, Route};
use crate::app::App;
use crate::body::Pipe;
use crate::keys::Scope;
use crate::outgoing::Piped;
use crate::problem::{Answer, Problem};
use crate::request::Request;

/// The type of exports and patches.
pub const MEDIA_TYPE: &str = "application/vnd.aeordb";
/// Which version an answer shows.
pub const VERSION: HeaderName = HeaderName::from_static("aeordb-version");

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/admin/export",
            Needs::Scope(Scope::Export),
            "Stream an export",
            |request| Box::pin(export(request)),
        )
        .query(&[
            ("snapshot", "a snapshot instead of HEAD"),
            ("hash", "a version instead of HEAD"),
            ("path", "only what is at this path"),
        ])
        .answer(200, "The export", Content::Bytes(MEDIA_TYPE)),
        Route::new(
            Method::GET,
            "/admin/diff",
            Needs::Scope(Scope::Export),
            "Stream a patch",
            |request| Box::pin(diff(request)),
        )
        .query(&[
            ("from", "the version to start from"),
            ("to", "the version to arrive at; HEAD"),
            ("path", "only what is at this path"),
        ])
        .answer(200, "The patch", Content::Bytes(MEDIA_TYPE)),
    ]
}

async fn export(request: Request) -> Answer {
    let (hash, snapshot) = (owned(&request, "hash"), owned(&request, "snapshot"));
    let path = owned(&request, "path");
    let app = &request.app;
    let (reader, version) = app
        .blocking(move |app| {
            let reader = app.database.reader()?;
            let version = App::version(&reader, hash.as_deref(), snapshot.as_deref())?;
            reader.version(&version)?;
            let (reader, [version]) = part(reader, [version], path)?;
            Ok((reader, version))
        })
        .await?;
    let name = format!("{}.aeordb", short(&version));
    stream(&request, version, &name, move |app, out, watch| {
        backup::export(&reader, &version, out, watch)?;
        app.metrics.last_export.store(seconds(app), Relaxed);
        Ok(())
    })
    .await
}

async fn diff(request: Request) -> Answer {
    let from = owned(&request, "from").ok_or_else(|| Problem::invalid("from= is missing"))?;
    let (to, path) = (owned(&request, "to"), owned(&request, "path"));
    let app = &request.app;
    let (reader, from, to) = app
        .blocking(move |app| {
            let reader: Reader = app.database.reader()?;
            let from = reader.resolve(&from)?;
            let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
            let (reader, [from, to]) = part(reader, [from, to], path)?;
            Ok((reader, from, to))
        })
        .await?;
    let name = format!("{}-{}.aeordb", short(&from), short(&to));
    stream(&request, to, &name, move |app, out, watch| {
        backup::diff(&reader, &from, &to, out, watch)?;
        app.metrics.last_patch.store(seconds(app), Relaxed);
        Ok(())
    })
    .await
}

/// Versions, or what is at a path in each of them.
fn part<const N: usize>(
    reader: Reader,
    versions: [VersionId; N],
    path: Option<String>,
) -> aeordb::Result<(Reader, [VersionId; N])> {
    let Some(path) = path else { return Ok((reader, versions)) };
    let path = Path::parse(path.as_bytes())?;
    let (reader, parts) = backup::subtree(&reader, &versions, &path)?;
    // There is one part for each version.
    Ok((reader, parts.try_into().unwrap_or(versions)))
}

fn owned(request: &Request, name: &str) -> Option<String> {
    request.query(name).map(str::to_owned)
}

fn short(version: &VersionId) -> String {
    version.to_string().chars().take(12).collect()
}

/// Sends what `make` writes. What goes wrong before the first piece is an error like any other;
/// afterwards the connection is aborted.
async fn stream(
    request: &Request,
    version: VersionId,
    name: &str,
    make: impl FnOnce(&App, &mut dyn Write, &Watch) -> aeordb::Result<()> + Send + 'static,
) -> Answer {
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => piped(&request.app, request.app.export_permit()?, make).await?,
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    for (header, value) in [
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (VERSION, version.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
    Ok(response)
}

/// A body that a thread writes.
pub async fn piped(
    app: &Arc<App>,
    permit: OwnedSemaphorePermit,
    make: impl FnOnce(&App, &mut dyn Write, &Watch) -> aeordb::Result<()> + Send + 'static,
) -> Result<Body, Problem> {
    let (mut pipe, mut end) = Pipe::new(app);
    let shared = app.clone();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        shared.metrics.exports.fetch_add(1, Relaxed);
        // Nobody cancels it: when nobody reads any more, writing fails.
        let made = make(&shared, &mut pipe, &Watch::new()).and_then(|()| {
            let flushed = pipe.flush();
            aeordb::error::Context::context(flushed, || "writing the output".into())
        });
        shared.metrics.exports.fetch_sub(1, Relaxed);
        if let Err(error) = made {
            pipe.fail(error);
        }
    });
    match end.recv().await.transpose() {
        Ok(first) => Ok(Piped::body(first, end)),
        Err(source) => {
            let what = "making a stream".into();
            Err(aeordb::Error::Io { what, source }.into())
        }
    }
}
