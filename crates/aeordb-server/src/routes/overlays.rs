//! Patches on top of what is read, for a while.

use aeordb_api::server::Overlay;
use aeordb_api::table::{LayOverlay, OverlayQuery, RemoveOverlay};
use axum::http::StatusCode;

use super::admin::Cancelled;
use super::{Route, json_answer, no_content};
use crate::problem::Answer;
use crate::request::Request;
use crate::spool;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<LayOverlay>(|request, query| Box::pin(lay(request, query))),
        Route::of::<RemoveOverlay>(|request, _| Box::pin(remove(request))),
    ]
}

async fn lay(mut request: Request, query: OverlayQuery) -> Answer {
    let on = query.on.map(|on| on.0);
    let file = spool::take(&request.app.clone(), request.incoming()).await?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let laid = request.app.blocking(move |app| app.overlays.lay(app, on.as_deref(), file, &seen));
    let (id, reader) = laid.await?;
    let shown = Overlay { id, version: reader.head().into() };
    Ok(json_answer(StatusCode::CREATED, &shown))
}

async fn remove(request: Request) -> Answer {
    request.app.overlays.remove(&request.name()?)?;
    Ok(no_content())
}
