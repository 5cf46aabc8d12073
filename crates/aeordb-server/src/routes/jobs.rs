//! Verification and collection: started, looked at, followed, cancelled.

use std::sync::Arc;
use std::time::Duration;

use aeordb_api::jobs::{self, Collect, Verify};
use aeordb_api::space::Measure;
use aeordb_api::table::{
    CancelJob, GetJob, ListJobs, ListPolicies, PolicyQuery, PutPolicy, RemovePolicy, StartCollect,
    StartForget, StartKeep, StartSpace, StartVerify,
};
use axum::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Route, is_stopping, json_answer, no_content, page};
use crate::app::App;
use crate::body::END;
use crate::outgoing::Piped;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::service::jobs::Job;

/// How often a job that is followed is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<StartVerify>(|request, _| Box::pin(verify(request))),
        Route::of::<StartCollect>(|request, _| Box::pin(collect(request))),
        Route::of::<StartForget>(|request, _| Box::pin(forget(request))),
        Route::of::<StartKeep>(|request, _| Box::pin(keep(request))),
        Route::of::<StartSpace>(|request, _| Box::pin(measure(request))),
        Route::of::<ListPolicies>(|request, _| Box::pin(list_policies(request))),
        Route::of::<PutPolicy>(|request, _| Box::pin(put_policy(request))),
        Route::of::<RemovePolicy>(|request, query| Box::pin(remove_policy(request, query))),
        Route::of::<ListJobs>(|request, _| Box::pin(list(request))),
        Route::of::<GetJob>(|request, _| Box::pin(get(request))),
        Route::of::<CancelJob>(|request, _| Box::pin(cancel(request))),
    ]
}

async fn verify(mut request: Request) -> Answer {
    let asked: Verify = request.incoming().json().await?;
    Ok(started(&*request.app.service.verify(&request.asker(), &asked)?))
}

async fn collect(mut request: Request) -> Answer {
    let Collect { dry_run } = request.incoming().json().await?;
    Ok(started(&*request.app.service.collect(&request.asker(), dry_run)?))
}

async fn measure(mut request: Request) -> Answer {
    let Measure {} = request.incoming().json().await?;
    Ok(started(&*request.app.service.space(&request.asker())?))
}

async fn forget(mut request: Request) -> Answer {
    let forget = request.incoming().json().await?;
    Ok(started(&*request.app.service.forget(&request.asker(), forget)?))
}

async fn keep(mut request: Request) -> Answer {
    let keep = request.incoming().json().await?;
    Ok(started(&*request.app.service.keep(&request.asker(), keep)?))
}

async fn list_policies(request: Request) -> Answer {
    Ok(json_answer(StatusCode::OK, &request.app.service.policies().await?))
}

async fn put_policy(mut request: Request) -> Answer {
    let policy = request.incoming().json().await?;
    Ok(json_answer(StatusCode::OK, &request.app.service.set_policy(policy).await?))
}

async fn remove_policy(request: Request, query: PolicyQuery) -> Answer {
    let name = query.name.map(|name| name.0);
    Ok(json_answer(StatusCode::OK, &request.app.service.remove_policy(name).await?))
}

/// A job as it is shown.
fn shown(job: &Job) -> jobs::Job {
    job.shown(Problem::document)
}

fn started(job: &Job) -> Response {
    let mut response = json_answer(StatusCode::ACCEPTED, &shown(job));
    if let Ok(place) = HeaderValue::from_str(&format!("/admin/jobs/{}", job.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

async fn list(request: Request) -> Answer {
    let jobs = request.app.service.jobs(&request.asker());
    Ok(page(jobs.iter().map(|job| shown(job)).collect(), None))
}

async fn get(request: Request) -> Answer {
    let job = request.app.service.job(&request.asker(), &request.name()?)?;
    let accepts = request.header(ACCEPT).unwrap_or_default();
    if !accepts.contains("text/event-stream") || request.method == Method::HEAD {
        return Ok(json_answer(StatusCode::OK, &shown(&job)));
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
        let shown = serde_json::to_string(&shown(&job)).unwrap_or_default();
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
    let job = request.app.service.cancel(&request.asker(), &request.name()?)?;
    Ok(job.map_or_else(no_content, |job| json_answer(StatusCode::ACCEPTED, &shown(&job))))
}
