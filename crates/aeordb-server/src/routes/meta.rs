//! What there is to know of the server itself.

use std::sync::OnceLock;

use aeordb_api::openapi;
use aeordb_api::server::{Health, Ready};
use aeordb_api::table::{GetDescription, GetHealth, GetMetrics, GetReady};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::files::insert_version;
use super::{Route, is_stopping, json_answer};
use crate::problem::{Answer, Problem};
use crate::request::Request;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<GetHealth>(|_, _| {
            let health = Health { status: "ok".into() };
            Box::pin(async move { Ok(json_answer(StatusCode::OK, &health)) })
        }),
        Route::of::<GetReady>(|request, _| Box::pin(ready(request))),
        Route::of::<GetMetrics>(|request, _| Box::pin(metrics(request))),
        Route::of::<GetDescription>(|_, _| {
            Box::pin(async { Ok(json_answer(StatusCode::OK, description())) })
        }),
    ]
}

/// What the interface is: the same as long as the program runs.
fn description() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| openapi::document(env!("CARGO_PKG_VERSION")))
}

async fn ready(request: Request) -> Answer {
    if is_stopping(&request.app) {
        return Err(Problem::unavailable("the server stops"));
    }
    // What cannot be written to is not ready, though it can be read.
    let head = request.app.service.ready().await?;
    let status = Ready { status: "ready".into(), head: head.into() };
    let mut response = json_answer(StatusCode::OK, &status);
    insert_version(response.headers_mut(), &head);
    Ok(response)
}

async fn metrics(request: Request) -> Answer {
    let text = request.app.metrics.text(&request.app.service.facts().await?);
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
