//! What there is to know of the server itself.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::files::insert_version;
use super::{Content, Needs, Route, is_stopping, json_answer};
use crate::metrics::DatabaseFacts;
use crate::openapi;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema::{object, text};

pub fn routes() -> Vec<Route> {
    let status = || Content::Json(object(&[("status", text())]));
    let any = || Content::Json(json!({ "type": "object" }));
    vec![
        Route::new(Method::GET, "/healthz", Needs::Nothing, "Whether the process runs", |_| {
            Box::pin(async { Ok(json_answer(StatusCode::OK, &json!({ "status": "ok" }))) })
        })
        .answer(200, "It runs", status()),
        Route::new(Method::GET, "/readyz", Needs::Key, "Whether requests are served", |request| {
            Box::pin(ready(request))
        })
        .answer(
            200,
            "They are",
            Content::Json(object(&[("status", text()), ("head", text())])),
        ),
        Route::new(Method::GET, "/metrics", Needs::Key, "Counters for Prometheus", |request| {
            Box::pin(metrics(request))
        })
        .answer(200, "The counters", Content::Bytes("text/plain")),
        Route::new(Method::GET, "/openapi.json", Needs::Key, "This description", |_| {
            Box::pin(async { Ok(json_answer(StatusCode::OK, openapi::document())) })
        })
        .answer(200, "OpenAPI 3.1", any()),
    ]
}

async fn ready(request: Request) -> Answer {
    if is_stopping(&request.app) {
        return Err(Problem::unavailable("the server stops"));
    }
    request
        .app
        .blocking(|app| {
            // What cannot be written to is not ready, though it can be read.
            app.look_at_file()?;
            let head = app.reader()?.head();
            let status = json!({ "status": "ready", "head": head.to_string() });
            let mut response = json_answer(StatusCode::OK, &status);
            insert_version(response.headers_mut(), &head);
            Ok(response)
        })
        .await
}

async fn metrics(request: Request) -> Answer {
    let text = request
        .app
        .blocking(|app| {
            let reader = app.reader()?;
            let bytes = std::fs::metadata(app.database.path()).map_or(0, |found| found.len());
            Ok(app.metrics.text(&DatabaseFacts {
                commits: app.database.sequence(),
                group: app.commit_stats(),
                syncs: app.database.sync_stats(),
                backups: app.backups.newest().ok(),
                now: app.database.clock().now(),
                bytes,
                history: reader.history_len()?,
                snapshots: reader.snapshots()?.len() as u64,
                files: reader.version(&reader.head())?.totals.files,
            }))
        })
        .await?;
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
