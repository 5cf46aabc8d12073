//! Versions: their names, the history of HEAD, and what changed between two of them.

use aeordb_api::table::{
    ChangeSnapshot, ChangesQuery, CreateSnapshot, DeleteSnapshot, ListChanges, ListHistory,
    ListSnapshots, PageQuery, ReadSnapshot,
};
use axum::http::StatusCode;

use super::streams::path_of;
use super::{Route, items_max, json_answer, no_content};
use crate::problem::Answer;
use crate::request::Request;
use crate::service::versions::Comparing;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ListSnapshots>(|request, query| Box::pin(list(request, query))),
        Route::of::<CreateSnapshot>(|request, _| Box::pin(create(request))),
        Route::of::<ReadSnapshot>(|request, _| Box::pin(look(request))),
        Route::of::<ChangeSnapshot>(|request, _| Box::pin(change(request))),
        Route::of::<DeleteSnapshot>(|request, _| Box::pin(delete(request))),
        Route::of::<ListHistory>(|request, query| Box::pin(history(request, query))),
        Route::of::<ListChanges>(|request, query| Box::pin(changes(request, query))),
    ]
}

async fn list(request: Request, query: PageQuery) -> Answer {
    let after = query.cursor.map(|cursor| cursor.0);
    let page = request.app.service.snapshots(after, items_max(query.limit, 1000)).await?;
    Ok(json_answer(StatusCode::OK, &page))
}

async fn create(mut request: Request) -> Answer {
    let new = request.incoming().json().await?;
    let (made, was_there) = request.app.service.create_snapshot(new).await?;
    let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json_answer(status, &made))
}

async fn look(request: Request) -> Answer {
    let found = request.app.service.snapshot(request.name()?).await?;
    Ok(json_answer(StatusCode::OK, &found))
}

async fn change(mut request: Request) -> Answer {
    let name = request.name()?;
    let edit = request.incoming().json().await?;
    let changed = request.app.service.edit_snapshot(name, edit).await?;
    Ok(json_answer(StatusCode::OK, &changed))
}

async fn delete(request: Request) -> Answer {
    request.app.service.delete_snapshot(request.name()?).await?;
    Ok(no_content())
}

async fn history(request: Request, query: PageQuery) -> Answer {
    let cursor = query.cursor.map(|cursor| cursor.0);
    let page = request.app.service.history(cursor, items_max(query.limit, 100)).await?;
    Ok(json_answer(StatusCode::OK, &page))
}

async fn changes(request: Request, query: ChangesQuery) -> Answer {
    let reader = request.reader(query.with.as_ref())?;
    let comparing = Comparing {
        from: query.from.0,
        to: query.to.map(|to| to.0),
        path: path_of(query.path.as_ref())?,
        cursor: query.cursor.map(|cursor| cursor.0),
        limit: items_max(query.limit, 1000),
    };
    let changes = request.app.service.changes(reader, comparing).await?;
    Ok(json_answer(StatusCode::OK, &changes))
}
