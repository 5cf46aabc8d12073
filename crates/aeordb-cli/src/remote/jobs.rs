//! Long work of a server: started, then followed to its end.

use std::io::{BufRead, BufReader};
use std::time::Instant;

use aeordb::Error;
use aeordb::backup::{self, VerifyReport};
use aeordb::error::Context;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{Client, Payload};
use super::overlay::Overlay;
use super::parse;
use crate::app::{App, Outcome};
use crate::args::{Gc, Verify};
use crate::cmd::verify::code;
use crate::exit::{self, About, Attempt, Subject};
use crate::render;

pub fn verify(app: &mut App, client: &Client, args: &Verify) -> Outcome {
    let result = run(client, "/admin/verify", json!({ "deep": args.deep }))?;
    let mut report = parse::verify(&result)?;
    if !args.with.is_empty() {
        verify_with(app, client, args, &mut report)?;
    }
    app.report(&render::verify(&report))?;
    Ok(code(&report))
}

/// The patches are looked at here, and whether they lead on is proved where the database is.
fn verify_with(
    app: &mut App,
    client: &Client,
    args: &Verify,
    report: &mut VerifyReport,
) -> Attempt<()> {
    app.watched(|_, watch| {
        for file in &args.with {
            let other = backup::verify(file, args.deep, watch).about(Subject::Database)?;
            report.count_in(file, other);
        }
        Ok(())
    })?;
    if code(report) != exit::DONE {
        return Ok(());
    }
    let laid = Overlay::lay(app, client, &args.with).map(drop);
    report.lead_to(laid.map_err(|failure| failure.error)).about(Subject::Database)
}

pub fn gc(app: &mut App, client: &Client, args: &Gc) -> Outcome {
    let started = Instant::now();
    let result = run(client, "/admin/gc", json!({ "dry_run": args.dry_run }))?;
    app.report(&render::gc(&parse::gc(&result)?, args.dry_run, started.elapsed()))?;
    Ok(exit::DONE)
}

/// Starts a job and waits for its result.
fn run(client: &Client, url: &str, body: Value) -> Attempt<Value> {
    let job = client.post(url, body).about(Subject::Database)?;
    let place = format!("/admin/jobs/{}", parse::text(&job, "id")?);
    let headers = [("accept", "text/event-stream".to_owned())];
    let events = client.send(Method::GET, &place, &headers, Payload::Empty)?;
    for line in BufReader::new(events.into_body().into_reader()).lines() {
        let line = line.context(|| format!("following {place}"))?;
        let Some(event) = line.strip_prefix("data: ") else { continue };
        let job: Value = serde_json::from_str(event).unwrap_or_default();
        match job["state"].as_str() {
            Some("running") => {}
            Some("done") => return Ok(job["result"].clone()),
            Some("cancelled") => return Err(Error::Interrupted.into()),
            _ => return Err(client.error_of(&job["problem"])).about(Subject::Database),
        }
    }
    Err(Error::Interrupted.into())
}
