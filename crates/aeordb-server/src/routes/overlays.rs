//! Patches on top of what is read, for a while.

use aeordb_api::server::Overlay;
use aeordb_api::table::{LayOverlay, OverlayQuery, RemoveOverlay};
use axum::http::StatusCode;

use super::{Route, json_answer, no_content};
use crate::problem::Answer;
use crate::request::Request;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<LayOverlay>(|request, query| Box::pin(lay(request, query))),
        Route::of::<RemoveOverlay>(|request, _| Box::pin(remove(request))),
    ]
}

async fn lay(mut request: Request, query: OverlayQuery) -> Answer {
    let (asker, sent) = (request.asker(), request.incoming());
    let on = query.on.map(|on| on.0);
    let (id, reader) = request.app.service.lay_overlay(&asker, on, sent).await?;
    let shown = Overlay { id, version: reader.head().into() };
    Ok(json_answer(StatusCode::CREATED, &shown))
}

async fn remove(request: Request) -> Answer {
    request.app.service.remove_overlay(&request.name()?)?;
    Ok(no_content())
}
