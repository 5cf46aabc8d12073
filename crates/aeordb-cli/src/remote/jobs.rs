//! Long work of a server: started, then followed to its end.

use std::io::{BufRead, BufReader};
use std::time::Instant;

use aeordb::Error;
use aeordb::backup::{self, VerifyReport};
use aeordb::error::Context;
use aeordb_api::jobs::{self, Job, State};
use aeordb_api::table::{GetJob, NoQuery, StartCollect, StartVerify};

use super::client::{Client, Payload};
use super::overlay::Overlay;
use crate::app::{App, Outcome};
use crate::args::{Gc, Verify};
use crate::cmd::verify::code;
use crate::exit::{self, About, Attempt, Subject};
use crate::render;

pub fn verify(app: &mut App, client: &Client, args: &Verify) -> Outcome {
    let started = client.call::<StartVerify>(&jobs::Verify { deep: args.deep }, &[]);
    let found = match ended(client, started.about(Subject::Database)?)? {
        jobs::Outcome::Verify(found) => found,
        jobs::Outcome::Collect(_) => return Err(other_result().into()),
    };
    let mut report = VerifyReport::try_from(found)?;
    if !args.with.is_empty() {
        verify_with(app, client, args, &mut report)?;
    }
    app.report(&render::verify(&(&report).into()))?;
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
    let job = client.call::<StartCollect>(&jobs::Collect { dry_run: args.dry_run }, &[]);
    let report = match ended(client, job.about(Subject::Database)?)? {
        jobs::Outcome::Collect(report) => report,
        jobs::Outcome::Verify(_) => return Err(other_result().into()),
    };
    app.report(&render::gc(&report, started.elapsed()))?;
    Ok(exit::DONE)
}

fn other_result() -> Error {
    Error::invalid("the server replied with the result of another job")
}

/// Waits for the result of a job.
fn ended(client: &Client, job: Job) -> Attempt<jobs::Outcome> {
    let (place, query) = (job.id.as_bytes(), NoQuery {});
    let headers = [("accept", "text/event-stream".to_owned())];
    let events = client.open::<GetJob>(place, &query, &headers, Payload::Empty)?;
    for line in BufReader::new(events.into_body().into_reader()).lines() {
        let line = line.context(|| format!("following job {}", job.id))?;
        let Some(event) = line.strip_prefix("data: ") else { continue };
        let bad = |error| Error::invalid(format!("the server says of job {}: {error}", job.id));
        let job: Job = serde_json::from_str(event).map_err(bad)?;
        match (job.state, job.result) {
            (State::Running, _) => {}
            (State::Done, Some(result)) => return Ok(result),
            (State::Cancelled, _) => return Err(Error::Interrupted.into()),
            (State::Failed | State::Done, _) => {
                let error = job.problem.map(|problem| client.error_of(problem));
                return Err(error.unwrap_or_else(other_result)).about(Subject::Database);
            }
        }
    }
    Err(Error::Interrupted.into())
}
