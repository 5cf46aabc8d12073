//! Long work of a server: started, then followed to its end.

use std::io::{BufRead, BufReader};

use aeordb::error::Context;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::jobs::{Collect, Collection, Job, Outcome, State, Verification, Verify};
use aeordb_api::table::{CancelJob, GetJob, NoQuery, StartCollect, StartVerify};

use crate::{Client, Payload};

/// Verifies the database of a server; stops there too when `watch` is cancelled.
pub fn verify(client: &Client, deep: bool, watch: &Watch) -> Result<Verification> {
    match ended(client, client.call::<StartVerify>(&Verify { deep }, &[])?, watch)? {
        Outcome::Verify(found) => Ok(found),
        Outcome::Collect(_) => Err(other_result()),
    }
}

/// Collects the database of a server, or says what would be collected; stops there too when
/// `watch` is cancelled.
pub fn collect(client: &Client, dry_run: bool, watch: &Watch) -> Result<Collection> {
    match ended(client, client.call::<StartCollect>(&Collect { dry_run }, &[])?, watch)? {
        Outcome::Collect(done) => Ok(done),
        Outcome::Verify(_) => Err(other_result()),
    }
}

fn other_result() -> Error {
    Error::invalid("the server replied with the result of another job")
}

/// Waits for the result of a job. Events come several times a second, so a job that is to be
/// cancelled is soon, and what comes after says that it has ended.
fn ended(client: &Client, job: Job, watch: &Watch) -> Result<Outcome> {
    let (place, query) = (job.id.as_bytes(), NoQuery {});
    let mut cancelled = false;
    let headers = [("accept", "text/event-stream".to_owned())];
    let events = client.open::<GetJob>(place, &query, &headers, Payload::Empty)?;
    for line in BufReader::new(events.into_body().into_reader()).lines() {
        let line = line.context(|| format!("following job {}", job.id))?;
        let Some(event) = line.strip_prefix("data: ") else { continue };
        let bad = |error| Error::invalid(format!("the server says of job {}: {error}", job.id));
        if !cancelled && watch.check().is_err() {
            client.open::<CancelJob>(place, &query, &[], Payload::Empty)?;
            cancelled = true;
        }
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    fn job(state: &str) -> String {
        format!(
            "{{\"id\":\"7\",\"kind\":\"verify\",\"state\":\"{state}\",\
             \"started_at\":\"2024-01-15T00:00:00Z\",\"ended_at\":null,\
             \"progress\":{{\"files\":0,\"bytes\":0,\"files_expected\":0,\"bytes_expected\":0}},\
             \"result\":null,\"problem\":null}}"
        )
    }

    /// The first line of a request.
    fn asked(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
    }

    fn reply(stream: &mut TcpStream, status: &str, body: &str) {
        let len = body.len();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }

    #[test]
    fn what_is_cancelled_here_is_cancelled_at_the_server_and_followed_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let watch = Watch::new();
        let next = || listener.accept().unwrap().0;
        let requests = thread::scope(|scope| {
            let server = scope.spawn(|| {
                let mut start = next();
                // Of the body there is no need.
                let mut requests = vec![asked(&mut start)];
                reply(&mut start, "202 Accepted", &job("running"));
                let mut events = next();
                requests.push(asked(&mut events));
                let kind = "content-type: text/event-stream\r\nconnection: close";
                write!(events, "HTTP/1.1 200 OK\r\n{kind}\r\n\r\n").unwrap();
                write!(events, "data: {}\n\n", job("running")).unwrap();
                watch.cancel();
                write!(events, "data: {}\n\n", job("running")).unwrap();
                let mut cancel = next();
                requests.push(asked(&mut cancel));
                reply(&mut cancel, "202 Accepted", &job("running"));
                write!(events, "data: {}\n\n", job("running")).unwrap();
                write!(events, "data: {}\n\n", job("cancelled")).unwrap();
                requests
            });
            let client = Client::new(&url, "key".into()).unwrap();
            assert!(matches!(verify(&client, true, &watch), Err(Error::Interrupted)));
            server.join().unwrap()
        });
        let lines = ["POST /admin/verify", "GET /admin/jobs/7", "DELETE /admin/jobs/7"];
        assert_eq!(requests, lines.map(|line| format!("{line} HTTP/1.1")));
    }
}
