//! Patches on top of what is read, for a while.

use aeordb::db::Reader;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::admin::Cancelled;
use super::{Content, Needs, Route, json_answer, no_content};
use crate::keys::Scope;
use crate::problem::Answer;
use crate::request::Request;
use crate::schema::{hash, object, text};
use crate::spool;

pub fn routes() -> Vec<Route> {
    let overlay = object(&[("id", text()), ("version", hash())]);
    let needs = Needs::Scope(Scope::Import);
    vec![
        Route::new(
            Method::POST,
            "/admin/overlays",
            needs,
            "Lay a patch on the database without importing it; `with=ID` then reads with it",
            |request| Box::pin(lay(request)),
        )
        .query(&[("on", "lay it on this overlay")])
        .body(Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(
            201,
            "Its name, and the version that is HEAD in it",
            Content::Json(overlay),
        ),
        Route::new(
            Method::DELETE,
            "/admin/overlays/{id}",
            needs,
            "Take an overlay away; one that is not read for ten minutes goes by itself",
            |request| Box::pin(remove(request)),
        )
        .answer(204, "It is gone", Content::None),
    ]
}

async fn lay(mut request: Request) -> Answer {
    let on = request.query("on")?.map(str::to_owned);
    let file = spool::take(&request.app.clone(), request.incoming()).await?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let laid = request.app.blocking(move |app| app.overlays.lay(app, on.as_deref(), file, &seen));
    let (id, reader) = laid.await?;
    Ok(created(&id, &reader))
}

fn created(id: &str, reader: &Reader) -> Response {
    let shown = json!({ "id": id, "version": reader.head().to_string() });
    json_answer(StatusCode::CREATED, &shown)
}

async fn remove(request: Request) -> Answer {
    request.app.overlays.remove(&request.name()?)?;
    Ok(no_content())
}
