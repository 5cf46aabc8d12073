//! Verification and collection: started, looked at, followed, cancelled.

use std::sync::Arc;
use std::time::Duration;

use aeordb::{Error, backup, gc};
use axum::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Content, Needs, Route, is_stopping, json_answer, no_content, page};
use crate::app::App;
use crate::body::END;
use crate::jobs::Job;
use crate::json;
use crate::keys::Scope;
use crate::outgoing::Piped;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema;
use crate::schema::{closed, flag, object, one_of, text, text_or_null};

/// How often a job that is followed is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

pub fn routes() -> Vec<Route> {
    let any = || json!({ "type": ["object", "null"] });
    let job = object(&[
        ("id", text()),
        ("kind", text()),
        ("state", one_of(&["running", "done", "failed", "cancelled"])),
        ("started_at", text()),
        ("ended_at", text_or_null()),
        ("progress", any()),
        ("result", any()),
        ("problem", any()),
    ]);
    let read = Needs::Scope(Scope::Read);
    // Who may start a job may look at it.
    let look = Needs::Either(Scope::Read, Scope::Gc);
    vec![
        Route::new(Method::POST, "/admin/verify", read, "Check the database for damage", |r| {
            Box::pin(verify(r))
        })
        .body(Content::Json(closed(&[("deep?", flag())])))
        .answer(202, "The job that does it", Content::Json(job.clone())),
        Route::new(
            Method::POST,
            "/admin/gc",
            Needs::Removal(Scope::Gc),
            "Give the space back that no kept version needs",
            |request| Box::pin(collect(request)),
        )
        .body(Content::Json(closed(&[("dry_run?", flag())])))
        .answer(202, "The job that does it", Content::Json(job.clone())),
        Route::new(
            Method::GET,
            "/admin/jobs",
            look,
            "List the jobs that the key may look at, newest first",
            |request| Box::pin(list(request)),
        )
        .answer(200, "All that are remembered", Content::Json(schema::page(job.clone()))),
        Route::new(
            Method::GET,
            "/admin/jobs/{id}",
            look,
            "Look at a job; with Accept: text/event-stream follow it to its end",
            |request| Box::pin(get(request)),
        )
        .answer(200, "How far it is", Content::Json(job.clone()))
        .answer(200, "How far it is, again and again", Content::Bytes("text/event-stream")),
        Route::new(
            Method::DELETE,
            "/admin/jobs/{id}",
            Needs::Scope(Scope::Gc),
            "Cancel a job, or forget one that has ended",
            |request| Box::pin(cancel(request)),
        )
        .answer(204, "It is forgotten", Content::None)
        .answer(202, "It stops at its next safe point", Content::Json(job)),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    #[serde(default)]
    deep: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Collect {
    #[serde(default)]
    dry_run: bool,
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
        Ok(json::verify(&report))
    })
}

async fn collect(mut request: Request) -> Answer {
    let Collect { dry_run } = request.incoming().json().await?;
    start(&request, "gc", Scope::Gc, move |app, watch| {
        app.look_at_file()?;
        app.overlays.expire();
        let report = app.without_reader(|| gc::collect(&app.database, dry_run, watch))?;
        Ok(json::gc(&report, dry_run))
    })
}

fn start(
    request: &Request,
    kind: &'static str,
    scope: Scope,
    work: impl FnOnce(&Arc<App>, &aeordb::watch::Watch) -> Result<Value, Problem> + Send + 'static,
) -> Answer {
    let job = request.app.jobs.start(&request.app, kind, scope, work)?;
    let mut response = json_answer(StatusCode::ACCEPTED, &job.json());
    if let Ok(place) = HeaderValue::from_str(&format!("/admin/jobs/{}", job.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

async fn list(request: Request) -> Answer {
    let jobs = request.app.jobs.list();
    let seen = jobs.iter().filter(|job| may_look(&request, job).is_ok());
    Ok(page(seen.map(|job| job.json()).collect(), None))
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

async fn get(request: Request) -> Answer {
    let job = job_of(&request)?;
    may_look(&request, &job)?;
    let accepts = request.header(ACCEPT).unwrap_or_default();
    if !accepts.contains("text/event-stream") || request.method == Method::HEAD {
        return Ok(json_answer(StatusCode::OK, &job.json()));
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
        let event = format!("data: {}\n\n", job.json());
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
    if request.app.jobs.forget(&job) {
        return Ok(no_content());
    }
    job.cancel();
    Ok(json_answer(StatusCode::ACCEPTED, &job.json()))
}
