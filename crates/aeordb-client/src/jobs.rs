//! Long work of a server: started, then followed to its end.

use std::io::{BufRead, BufReader, Read};

use aeordb::error::Context;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use aeordb_api::jobs::{
    Collect, Collection, Forget, Forgotten, Job, Outcome, State, Verification, Verify,
};
use aeordb_api::retention::{Keep, Kept};
use aeordb_api::space::{Measure, Space};
use aeordb_api::table::{
    CancelJob, GetJob, NoQuery, StartCollect, StartForget, StartKeep, StartSpace, StartVerify,
};

use crate::waiting::Waiting;
use crate::{Client, Payload};

/// Longest line of an event, in bytes: no server of ours has longer ones.
const EVENT_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Verifies the database of a server; stops there too when `monitor` is cancelled.
pub fn verify(client: &Client, deep: bool, monitor: &Monitor) -> Result<Verification> {
    verify_part(client, &Verify { deep, ..Verify::default() }, monitor)
}

/// The same of as much as is asked for.
pub fn verify_part(client: &Client, asked: &Verify, monitor: &Monitor) -> Result<Verification> {
    match ended(client, client.call::<StartVerify>(asked, &[])?, monitor)? {
        Outcome::Verify(found) => Ok(found),
        _ => Err(other_result()),
    }
}

/// Collects the database of a server, or says what would be collected; stops there too when
/// `monitor` is cancelled.
pub fn collect(client: &Client, dry_run: bool, monitor: &Monitor) -> Result<Collection> {
    match ended(client, client.call::<StartCollect>(&Collect { dry_run }, &[])?, monitor)? {
        Outcome::Collect(done) => Ok(done),
        _ => Err(other_result()),
    }
}

/// Drops versions of the database of a server, or says which would be.
pub fn forget(client: &Client, forget: &Forget, monitor: &Monitor) -> Result<Forgotten> {
    match ended(client, client.call::<StartForget>(forget, &[])?, monitor)? {
        Outcome::Forget(done) => Ok(done),
        _ => Err(other_result()),
    }
}

/// Removes the snapshots of a server's database that rules do not keep, or says which those are.
pub fn keep(client: &Client, keep: &Keep, monitor: &Monitor) -> Result<Kept> {
    match ended(client, client.call::<StartKeep>(keep, &[])?, monitor)? {
        Outcome::Keep(done) => Ok(done),
        _ => Err(other_result()),
    }
}

/// Measures what takes the space of a server's database.
pub fn space(client: &Client, monitor: &Monitor) -> Result<Space> {
    match ended(client, client.call::<StartSpace>(&Measure {}, &[])?, monitor)? {
        Outcome::Space(found) => Ok(found),
        _ => Err(other_result()),
    }
}

fn other_result() -> Error {
    Error::invalid("the server replied with the result of another job")
}

/// Waits for the result of a job. Events come several times a second, so a job that is to be
/// cancelled is soon, and what comes after says that it has ended.
fn ended(client: &Client, job: Job, monitor: &Monitor) -> Result<Outcome> {
    let (place, query) = (job.id.as_bytes(), NoQuery {});
    let mut cancelled = false;
    let headers = [("accept", "text/event-stream".to_owned())];
    let events = client.open::<GetJob>(place, &query, &headers, Payload::Empty)?;
    let mut events = BufReader::new(events.into_body().into_reader());
    while let Some(line) = next_line(&mut events, &job.id)? {
        let Some(event) = line.strip_prefix("data: ") else { continue };
        let bad = |error| Error::invalid(format!("the server says of job {}: {error}", job.id));
        if !cancelled && monitor.check().is_err() {
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

/// The next line that comes, if one does.
fn next_line(events: &mut impl BufRead, job: &str) -> Result<Option<String>> {
    let mut line = Vec::new();
    let waiting = Waiting::begin();
    let read = events.take(EVENT_LEN_MAX).read_until(b'\n', &mut line);
    drop(waiting);
    let read = read.context(|| format!("following job {job}"))?;
    if read as u64 == EVENT_LEN_MAX {
        return Err(Error::invalid(format!("the server says too much of job {job}")));
    }
    let line = String::from_utf8(line);
    let line =
        line.map_err(|_| Error::invalid(format!("what the server says of job {job} is no text")))?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
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
        let monitor = Monitor::new();
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
                monitor.cancel();
                write!(events, "data: {}\n\n", job("running")).unwrap();
                let mut cancel = next();
                requests.push(asked(&mut cancel));
                reply(&mut cancel, "202 Accepted", &job("running"));
                write!(events, "data: {}\n\n", job("running")).unwrap();
                write!(events, "data: {}\n\n", job("cancelled")).unwrap();
                requests
            });
            let client = Client::new(&url, "key".into()).unwrap();
            assert!(matches!(verify(&client, true, &monitor), Err(Error::Interrupted)));
            server.join().unwrap()
        });
        let lines = ["POST /admin/verify", "GET /admin/jobs/7", "DELETE /admin/jobs/7"];
        assert_eq!(requests, lines.map(|line| format!("{line} HTTP/1.1")));
    }
}
