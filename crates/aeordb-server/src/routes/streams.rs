//! Exports, patches and archives that are made while they are sent. What is to be resumed is written to
//! the backup directory instead: a stream has no fixed layout.

use std::sync::Arc;

use aeordb::object::Path;
pub use aeordb_api::endpoint::BACKUP as MEDIA_TYPE;
use aeordb_api::endpoint::{TAR, VERSION_HEADER};
use aeordb_api::parameter::PathBytes;
use aeordb_api::table::{DiffQuery, ExportQuery, ReadQuery, StreamExport, StreamPatch};
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;

use super::files::{insert_version, version_of};
use super::{Leaves, Route};
use crate::body::Pipe;
use crate::outgoing::{self, Piped};
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::service::counters::{Counter, Counters};
use crate::service::streams::Stream;
use crate::service::{Cancelled, Place};

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
    let (hash, snapshot) = (query.hash.map(|hash| hash.0), query.snapshot.map(|name| name.0));
    let stream = request.app.service.export(reader, hash, snapshot, path).await?;
    send(&request, stream, MEDIA_TYPE).await
}

async fn diff(request: Request, query: DiffQuery) -> Answer {
    let DiffQuery { from, to, path, with } = query;
    let path = path_of(path.as_ref())?;
    let reader = request.reader(with.as_ref())?;
    let to = to.map(|to| to.0);
    let stream = request.app.service.patch(reader, from.0, to, path).await?;
    send(&request, stream, MEDIA_TYPE).await
}

/// Sends the directory at a place as a tar archive.
pub async fn archive(request: Request, query: ReadQuery, Place { path, .. }: Place) -> Answer {
    let service = &request.app.service;
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(service, &reader, &query).await?;
    let stream = service.archive(reader, version, path).await?;
    let mut response = send(&request, stream, TAR).await?;
    response.extensions_mut().insert(Leaves);
    Ok(response)
}

/// Sends what is at a place as a sealed file, or its outline.
pub async fn tree(request: Request, query: ReadQuery, Place { path, .. }: Place) -> Answer {
    let service = &request.app.service;
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(service, &reader, &query).await?;
    let stream = service.tree(reader, version, path, query.outline).await?;
    let mut response = send(&request, stream, MEDIA_TYPE).await?;
    if !query.outline {
        response.extensions_mut().insert(Leaves);
    }
    Ok(response)
}

/// The path that a request is restricted to.
pub fn path_of(path: Option<&PathBytes>) -> aeordb::Result<Option<Path>> {
    path.map(|path| Path::parse(&path.0)).transpose()
}

/// Sends a stream.
async fn send(request: &Request, stream: Stream, kind: &'static str) -> Answer {
    let (app, version, name) = (&request.app, stream.version, stream.name.clone());
    let body = match request.method {
        Method::HEAD => outgoing::unmeasured(),
        _ => {
            let permit = app.service.permit(&request.asker(), stream.share).await?;
            piped(&app.service.counters, &app.metrics.bytes_out, permit, stream).await?
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = name.map(|name| format!("attachment; filename=\"{name}\""));
    if let Some(Ok(value)) = disposition.map(|text| HeaderValue::from_str(&text)) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    insert_version(headers, &version);
    Ok(response)
}

/// A body that a thread writes. What goes wrong before the first piece is an error like any other;
/// afterwards the connection is aborted.
async fn piped(
    counters: &Arc<Counters>,
    sent: &Counter,
    permit: impl Send + 'static,
    stream: Stream,
) -> Result<Body, Problem> {
    let (mut pipe, mut end) = Pipe::new(sent.clone());
    let counters = counters.clone();
    // Writing fails when nobody reads any more, but long work may write nothing for long.
    let cancelled = Cancelled::default();
    let monitor = cancelled.0.clone();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match stream.write(&counters, &mut pipe, &monitor) {
            // That nobody reads the end either is nobody's loss.
            Ok(()) => drop(pipe.finish()),
            Err(error) => pipe.fail(error),
        }
    });
    match end.recv().await {
        Some(Ok(first)) => Ok(Piped::body(Some(first), end, cancelled)),
        Some(Err(source)) => {
            let what = "making a stream".into();
            Err(aeordb::Error::Io { what, source }.into())
        }
        None => Err(Problem::internal("what makes a stream ended before it")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::Ordering::Relaxed;

    use aeordb::monitor::Monitor;
    use http_body_util::BodyExt;

    use super::*;
    use crate::app::App;

    type Make = Box<dyn FnOnce(&mut dyn Write, &Monitor) -> aeordb::Result<()> + Send>;

    async fn body(app: &App, make: Make) -> Result<Body, Problem> {
        let stream = Stream::export(app.service.reader().unwrap().head(), make);
        piped(&app.service.counters, &app.metrics.bytes_out, (), stream).await
    }

    #[test]
    fn a_stream_whose_maker_panics_is_aborted_and_one_that_ends_is_whole() {
        let (_directory, runtime, app) = crate::testing::app();
        let sent = |panics_after: Option<usize>| {
            runtime.block_on(async {
                let make = move |out: &mut dyn Write, _: &Monitor| {
                    for n in 0..3 {
                        assert_ne!(panics_after, Some(n), "injected");
                        // More than a piece, so that it is sent.
                        out.write_all(&[b'x'; 300_000]).unwrap();
                    }
                    Ok(())
                };
                let body = body(&app, Box::new(make)).await.ok()?;
                Some(body.collect().await.map(|whole| whole.to_bytes().len()).map_err(drop))
            })
        };
        assert_eq!(sent(None), Some(Ok(900_000)));
        assert_eq!(sent(Some(1)), Some(Err(())));
        assert_eq!(sent(Some(2)), Some(Err(())));
        assert_eq!(sent(Some(0)), None);
        assert_eq!(app.service.counters.streams.load(Relaxed), 0);
    }

    #[test]
    fn the_work_for_a_stream_ends_when_its_reader_goes_even_if_it_writes_nothing() {
        let (_directory, runtime, app) = crate::testing::app();
        for first in [0, 300_000] {
            let (ended, end) = std::sync::mpsc::channel();
            let make = move |out: &mut dyn Write, monitor: &Monitor| {
                out.write_all(&vec![b'x'; first]).unwrap();
                while monitor.check().is_ok() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
                monitor.check()
            };
            runtime.block_on(async {
                let wait = std::time::Duration::from_millis(50);
                let body = body(&app, Box::new(make));
                assert_eq!(tokio::time::timeout(wait, body).await.is_ok(), first > 0);
            });
            end.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn an_empty_stream_ends_cleanly() {
        let (_directory, runtime, app) = crate::testing::app();
        let whole = runtime.block_on(async {
            let body = body(&app, Box::new(|_, _| Ok(()))).await.unwrap();
            body.collect().await.unwrap().to_bytes()
        });
        assert!(whole.is_empty());
    }
}
