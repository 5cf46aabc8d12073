//! The calls of backup and restore that write files of the backup directory, and promotion.

use aeordb::hash::VersionId;
use aeordb_api::table::{GetInfo, PromoteVersion, WriteExport, WritePatch};
use aeordb_api::versions::{Promote, Promotion};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;

use super::files::tag_of;
use super::{Route, json_answer};
use crate::problem::Answer;
use crate::request::Request;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<GetInfo>(|request, _| Box::pin(info_of_database(request))),
        Route::of::<WriteExport>(|request, _| Box::pin(export_file(request))),
        Route::of::<WritePatch>(|request, _| Box::pin(diff_file(request))),
        Route::of::<PromoteVersion>(|request, _| Box::pin(promote(request))),
    ]
}

async fn info_of_database(request: Request) -> Answer {
    Ok(json_answer(StatusCode::OK, &request.app.service.info().await?))
}

async fn export_file(mut request: Request) -> Answer {
    let wanted = request.incoming().json().await?;
    let written = request.app.service.write_export(wanted).await?;
    Ok(json_answer(StatusCode::CREATED, &written))
}

async fn diff_file(mut request: Request) -> Answer {
    let wanted = request.incoming().json().await?;
    let written = request.app.service.write_patch(wanted).await?;
    Ok(json_answer(StatusCode::CREATED, &written))
}

async fn promote(mut request: Request) -> Answer {
    let Promote { hash } = request.incoming().json().await?;
    let expect = request.expected_head()?;
    let promotion = request.app.service.promote(hash, expect).await?;
    let mut response = json_answer(StatusCode::OK, &Promotion::from(&promotion));
    set_etag(&mut response, &promotion.head);
    Ok(response)
}

/// HEAD's version is the tag that `If-Match` of these calls takes.
pub fn set_etag(response: &mut Response, version: &VersionId) {
    response.headers_mut().insert(ETAG, tag_of(version));
}
