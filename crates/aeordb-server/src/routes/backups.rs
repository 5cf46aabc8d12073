//! The files of the backup directory: fetched whole or in parts, resumed by their seal.

use aeordb_api::table::{DeleteBackup, GetBackup, ListBackups, PageQuery};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;

use super::download::{self, Representation};
use super::{Route, items_max, no_content, page};
use crate::outgoing::Pulled;
use crate::problem::Answer;
use crate::request::Request;
use crate::service::backups::FileBytes;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ListBackups>(|request, query| Box::pin(list(request, query))),
        Route::of::<GetBackup>(|request, _| Box::pin(get(request))),
        Route::of::<DeleteBackup>(|request, _| Box::pin(delete(request))),
    ]
}

async fn list(request: Request, query: PageQuery) -> Answer {
    let limit = items_max(query.limit, 100);
    let after = query.cursor.map(|cursor| cursor.0);
    let (found, more) = request
        .app
        .service
        .blocking(move |service| service.backups.list(after.as_deref(), limit))
        .await?;
    let next = found.last().filter(|_| more).map(|backup| backup.name.clone());
    Ok(page(found, next))
}

async fn get(request: Request) -> Answer {
    let name = request.name()?;
    let backup = request.app.service.blocking(move |service| service.backups.get(&name)).await?;
    let etag = HeaderValue::from_str(&format!("\"{}\"", backup.seal)).ok();
    let modified = download::http_date(backup.modified);
    let (etag, modified) = (etag.as_ref(), modified.as_ref());
    let (size, mtime) = (backup.size, Some(backup.modified));
    let representation = Representation { size, etag, modified, mtime };
    let sent = request.app.metrics.bytes_out.clone();
    let mut response = download::respond(&request, &representation, |range| {
        let source = FileBytes { file: backup.file, offset: range.start };
        Pulled::body(&sent, source, range.end - range.start)
    })?;
    let kind = HeaderValue::from_static(super::streams::MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

async fn delete(request: Request) -> Answer {
    let name = request.name()?;
    request.app.service.blocking(move |service| service.backups.remove(&name)).await?;
    Ok(no_content())
}
