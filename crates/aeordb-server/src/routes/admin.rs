//! The calls of backup and restore that write files of the backup directory, and promotion.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::backup;
use aeordb::hash::VersionId;
use aeordb::watch::Watch;
use aeordb_api::backups::{Export, Info, NewExport, NewPatch, Patch};
use aeordb_api::table::{GetInfo, PromoteVersion, WriteExport, WritePatch};
use aeordb_api::versions::{Promote, Promotion};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;

use super::files::tag_of;
use super::{Route, json_answer};
use crate::app::App;
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

/// Stops the work when whoever asked for it is gone.
#[derive(Default)]
pub struct Cancelled(pub Arc<Watch>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn info_of_database(request: Request) -> Answer {
    let look = |app: &Arc<App>| Ok(backup::info(app.database.path())?);
    let info = request.app.blocking(look).await?;
    Ok(json_answer(StatusCode::OK, &Info::from(&info)))
}

async fn export_file(mut request: Request) -> Answer {
    let NewExport { output, snapshot, hash } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let version = App::version(&reader, hash.as_deref(), snapshot.as_deref())?;
        let report = backup::export(&reader, &version, &mut file, &seen)?;
        app.backups.publish(file, &output)?;
        app.metrics.last_export.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &Export::new(&report, &output)))
    });
    answer.await
}

async fn diff_file(mut request: Request) -> Answer {
    let NewPatch { output, from, to } = request.incoming().json().await?;
    let permit = request.app.export_permit()?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let answer = request.app.blocking(move |app| {
        let _permit = permit;
        let mut file = app.backups.create(&output)?;
        let reader = app.database.reader()?;
        let from = reader.resolve(&from)?;
        let to = reader.resolve(to.as_deref().unwrap_or("HEAD"))?;
        let report = backup::diff(&reader, &from, &to, &mut file, &seen)?;
        app.backups.publish(file, &output)?;
        app.metrics.last_patch.store(seconds(app), Relaxed);
        Ok(json_answer(StatusCode::CREATED, &Patch::new(&report, &output)))
    });
    answer.await
}

/// Now, in seconds since 1970.
pub fn seconds(app: &App) -> i64 {
    app.database.clock().now() / 1_000_000_000
}

async fn promote(mut request: Request) -> Answer {
    let Promote { hash } = request.incoming().json().await?;
    let expect = request.expected_head()?;
    let answer = request.app.writing(move |app| {
        let version = app.database.reader()?.resolve(&hash)?;
        let promotion = app.database.promote(&version, expect.as_ref())?;
        let mut response = json_answer(StatusCode::OK, &Promotion::from(&promotion));
        set_etag(&mut response, &promotion.head);
        Ok(response)
    });
    answer.await
}

/// HEAD's version is the tag that `If-Match` of these calls takes.
pub fn set_etag(response: &mut Response, version: &VersionId) {
    response.headers_mut().insert(ETAG, tag_of(version));
}
