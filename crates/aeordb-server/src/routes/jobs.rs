//! Verification and collection: started, looked at, followed, cancelled.

use std::sync::Arc;
use std::time::Duration;

use aeordb::{Error, backup, gc};
use aeordb_api::jobs::{Collect, Collection, Outcome, Verification, Verify};
use aeordb_api::table::{CancelJob, GetJob, ListJobs, StartCollect, StartVerify};
use axum::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Route, is_stopping, json_answer, no_content, page};
use crate::app::App;
use crate::body::END;
use crate::jobs::Job;
use crate::keys::Scope;
use crate::outgoing::Piped;
use crate::problem::{Answer, Problem};
use crate::request::Request;

/// How often a job that is followed is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<StartVerify>(|request, _| Box::pin(verify(request))),
        Route::of::<StartCollect>(|request, _| Box::pin(collect(request))),
        Route::of::<ListJobs>(|request, _| Box::pin(list(request))),
        Route::of::<GetJob>(|request, _| Box::pin(get(request))),
        Route::of::<CancelJob>(|request, _| Box::pin(cancel(request))),
    ]
}

async fn verify(mut request: Request) -> Answer {
    let Verify { deep } = request.incoming().json().await?;
    start(&request, "verify", Scope::Read, move |app, watch| {
        // It is opened by its path, where nothing or another file may be by now.
        app.look_at_file()?;
        let verified = backup::verify(app.database.path(), deep, watch);
        let report = verified.map_err(|error| match error {
            Error::NotFound(_) | Error::Foreign { .. } => Problem::read_only(),
            other => other.into(),
        })?;
        Ok(Outcome::Verify(Verification::from(&report)))
    })
}

async fn collect(mut request: Request) -> Answer {
    let Collect { dry_run } = request.incoming().json().await?;
    start(&request, "gc", Scope::Gc, move |app, watch| {
        app.look_at_file()?;
        app.overlays.expire();
        let report = app.without_reader(|| gc::collect(&app.database, dry_run, watch))?;
        Ok(Outcome::Collect(Collection::new(&report, dry_run)))
    })
}

fn start(
    request: &Request,
    kind: &'static str,
    scope: Scope,
    work: impl FnOnce(&Arc<App>, &aeordb::watch::Watch) -> Result<Outcome, Problem> + Send + 'static,
) -> Answer {
    let job = request.app.jobs.start(&request.app, kind, (&request.caller.key, scope), work)?;
    let mut response = json_answer(StatusCode::ACCEPTED, &job.shown());
    if let Ok(place) = HeaderValue::from_str(&format!("/admin/jobs/{}", job.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

async fn list(request: Request) -> Answer {
    let jobs = request.app.jobs.list();
    let seen = jobs.iter().filter(|job| may_look(&request, job).is_ok());
    Ok(page(seen.map(|job| job.shown()).collect(), None))
}

fn job_of(request: &Request) -> Result<Arc<Job>, Problem> {
    let name = request.name()?;
    let job = name.parse().ok().and_then(|id| request.app.jobs.get(id));
    job.ok_or_else(|| Problem::not_found(format!("job {name}")))
}

/// What a verification found names paths: only who may read them sees it.
fn may_look(request: &Request, job: &Job) -> Result<(), Problem> {
    match request.rights.has(Scope::Read) {
        true => Ok(()),
        false => request.need(job.scope),
    }
}

/// Whoever may collect cancels what keeps a collection waiting, whoever started a job that one.
fn may_cancel(request: &Request, job: &Job) -> Result<(), Problem> {
    match job.key == request.caller.key {
        true => Ok(()),
        false => request.need(Scope::Gc),
    }
}

async fn get(request: Request) -> Answer {
    let job = job_of(&request)?;
    may_look(&request, &job)?;
    let accepts = request.header(ACCEPT).unwrap_or_default();
    if !accepts.contains("text/event-stream") || request.method == Method::HEAD {
        return Ok(json_answer(StatusCode::OK, &job.shown()));
    }
    let (events, end) = mpsc::channel(1);
    tokio::spawn(follow(request.app.clone(), job, events));
    let mut response = Response::new(Piped::body(None, end, ()));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

async fn follow(app: Arc<App>, job: Arc<Job>, events: mpsc::Sender<std::io::Result<Bytes>>) {
    loop {
        // Asked before it is shown: the last event shows the end.
        let running = job.is_running() && !is_stopping(&app);
        let shown = serde_json::to_string(&job.shown()).unwrap_or_default();
        let event = format!("data: {shown}\n\n");
        if events.send(Ok(event.into())).await.is_err() {
            return;
        }
        if !running {
            // That nobody reads it any more is nobody's loss.
            drop(events.send(Ok(END)).await);
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn cancel(request: Request) -> Answer {
    let job = job_of(&request)?;
    may_cancel(&request, &job)?;
    if request.app.jobs.forget(&job) {
        return Ok(no_content());
    }
    job.cancel();
    Ok(json_answer(StatusCode::ACCEPTED, &job.shown()))
}
