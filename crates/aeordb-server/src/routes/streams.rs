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
pub use aeordb_api::endpoint::BACKUP as MEDIA_TYPE;
use aeordb_api::endpoint::VERSION_HEADER;
use aeordb_api::parameter::{PathBytes, Word};
use aeordb_api::table::{DiffQuery, ExportQuery, StreamExport, StreamPatch};
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;

use super::Route;
use super::admin::{Cancelled, seconds};
use crate::app::App;
use crate::body::Pipe;
use crate::outgoing::{self, Piped};
use crate::problem::{Answer, Problem};
use crate::request::Request;

/// Which version an answer shows.
pub const VERSION: HeaderName = HeaderName::from_static(VERSION_HEADER);

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<StreamExport>(|request, query| Box::pin(export(request, query))),
        Route::of::<StreamPatch>(|request, query| Box::pin(diff(request, query))),
    ]
}

async fn export(request: Request, query: ExportQuery) -> Answer {
    let path = path_of(query.path.as_ref())?;
    let reader = request.reader(query.with.as_ref())?;
    let app = &request.app;
    let (reader, version) = app
        .blocking(move |_| {
            let reader = Reader::clone(&reader);
            let version = named(&reader, query.hash.as_ref(), query.snapshot.as_ref())?;
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

async fn diff(request: Request, query: DiffQuery) -> Answer {
    let DiffQuery { from, to, path, with } = query;
    let path = path_of(path.as_ref())?;
    let reader = request.reader(with.as_ref())?;
    let app = &request.app;
    let (reader, from, to) = app
        .blocking(move |_| {
            let reader = Reader::clone(&reader);
            let from = reader.resolve(&from.0)?;
            let to = reader.resolve(to.as_ref().map_or("HEAD", |to| &to.0))?;
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
pub fn part<const N: usize>(
    reader: Reader,
    versions: [VersionId; N],
    path: Option<Path>,
) -> aeordb::Result<(Reader, [VersionId; N])> {
    let Some(path) = path else { return Ok((reader, versions)) };
    let (reader, parts) = backup::subtree(&reader, &versions, &path)?;
    // There is one part for each version.
    Ok((reader, parts.try_into().unwrap_or(versions)))
}

/// The path that a request is restricted to.
pub fn path_of(path: Option<&PathBytes>) -> aeordb::Result<Option<Path>> {
    path.map(|path| Path::parse(&path.0)).transpose()
}

/// The version that is named by a hash or as a snapshot, else HEAD.
pub fn named(
    reader: &Reader,
    hash: Option<&Word>,
    snapshot: Option<&Word>,
) -> Result<VersionId, Problem> {
    let text = |word: Option<&Word>| word.map(|word| word.0.clone());
    App::version(reader, text(hash).as_deref(), text(snapshot).as_deref())
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
        Method::HEAD => outgoing::unmeasured(),
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
    permit: impl Send + 'static,
    make: impl FnOnce(&App, &mut dyn Write, &Watch) -> aeordb::Result<()> + Send + 'static,
) -> Result<Body, Problem> {
    let (mut pipe, mut end) = Pipe::new(app);
    let shared = app.clone();
    // Writing fails when nobody reads any more, but long work may write nothing for long.
    let watched = Cancelled::default();
    let watch = watched.0.clone();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let _counted = Counted::new(&shared);
        match make(&shared, &mut pipe, &watch) {
            // That nobody reads the end either is nobody's loss.
            Ok(()) => drop(pipe.finish()),
            Err(error) => pipe.fail(error),
        }
    });
    match end.recv().await {
        Some(Ok(first)) => Ok(Piped::body(Some(first), end, watched)),
        Some(Err(source)) => {
            let what = "making a stream".into();
            Err(aeordb::Error::Io { what, source }.into())
        }
        None => Err(Problem::internal("what makes a stream ended before it")),
    }
}

/// An export or patch under way, until it ends in whatever way.
struct Counted<'a>(&'a App);

impl<'a> Counted<'a> {
    fn new(app: &'a App) -> Self {
        app.metrics.exports.fetch_add(1, Relaxed);
        Counted(app)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics.exports.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn a_stream_whose_maker_panics_is_aborted_and_one_that_ends_is_whole() {
        let (_directory, runtime, app) = crate::testing::app();
        let sent = |panics_after: Option<usize>| {
            runtime.block_on(async {
                let make = move |_: &App, out: &mut dyn Write, _: &Watch| {
                    for n in 0..3 {
                        assert_ne!(panics_after, Some(n), "injected");
                        // More than a piece, so that it is sent.
                        out.write_all(&[b'x'; 300_000]).unwrap();
                    }
                    Ok(())
                };
                let body = piped(&app, app.export_permit().unwrap(), make).await.ok()?;
                Some(body.collect().await.map(|whole| whole.to_bytes().len()).map_err(drop))
            })
        };
        assert_eq!(sent(None), Some(Ok(900_000)));
        assert_eq!(sent(Some(1)), Some(Err(())));
        assert_eq!(sent(Some(2)), Some(Err(())));
        assert_eq!(sent(Some(0)), None);
        assert_eq!(app.metrics.exports.load(Relaxed), 0);
    }

    #[test]
    fn the_work_for_a_stream_ends_when_its_reader_goes_even_if_it_writes_nothing() {
        let (_directory, runtime, app) = crate::testing::app();
        for first in [0, 300_000] {
            let (ended, end) = std::sync::mpsc::channel();
            let make = move |_: &App, out: &mut dyn Write, watch: &Watch| {
                out.write_all(&vec![b'x'; first]).unwrap();
                while watch.check().is_ok() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
                watch.check()
            };
            runtime.block_on(async {
                let wait = std::time::Duration::from_millis(50);
                let body = piped(&app, app.export_permit().unwrap(), make);
                assert_eq!(tokio::time::timeout(wait, body).await.is_ok(), first > 0);
            });
            end.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn an_empty_stream_ends_cleanly() {
        let (_directory, runtime, app) = crate::testing::app();
        let whole = runtime.block_on(async {
            let permit = app.export_permit().unwrap();
            let body = piped(&app, permit, |_, _, _| Ok(())).await.unwrap();
            body.collect().await.unwrap().to_bytes()
        });
        assert!(whole.is_empty());
    }
}
