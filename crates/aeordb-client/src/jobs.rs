//! Long work of a server: started, then followed to its end.

use std::io::{BufRead, BufReader};

use aeordb::error::Context;
use aeordb::{Error, Result};
use aeordb_api::jobs::{Collect, Collection, Job, Outcome, State, Verification, Verify};
use aeordb_api::table::{GetJob, NoQuery, StartCollect, StartVerify};

use crate::{Client, Payload};

/// Verifies the database of a server.
pub fn verify(client: &Client, deep: bool) -> Result<Verification> {
    match ended(client, client.call::<StartVerify>(&Verify { deep }, &[])?)? {
        Outcome::Verify(found) => Ok(found),
        Outcome::Collect(_) => Err(other_result()),
    }
}

/// Collects the database of a server, or says what would be collected.
pub fn collect(client: &Client, dry_run: bool) -> Result<Collection> {
    match ended(client, client.call::<StartCollect>(&Collect { dry_run }, &[])?)? {
        Outcome::Collect(done) => Ok(done),
        Outcome::Verify(_) => Err(other_result()),
    }
}

fn other_result() -> Error {
    Error::invalid("the server replied with the result of another job")
}

/// Waits for the result of a job.
fn ended(client: &Client, job: Job) -> Result<Outcome> {
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
            (State::Cancelled, _) => return Err(Error::Interrupted),
            (State::Failed | State::Done, _) => {
                let error = job.problem.map(|problem| client.error_of(problem));
                return Err(error.unwrap_or_else(other_result));
            }
        }
    }
    Err(Error::Interrupted)
}
