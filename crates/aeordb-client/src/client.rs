//! Requests to a server, and its problems as errors of ours.

use std::io::{self, Read};
use std::time::Duration;

use aeordb::db::{self, Options};
use aeordb::error::Context;
use aeordb::{Error, Result};
use aeordb_api::endpoint::{self, Endpoint};
use aeordb_api::parameter::Paged;
use aeordb_api::problem::System;
use aeordb_api::{Cause, Pages, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use crate::throttle::Throttle;
use crate::waiting::Waiting;

/// Longest reply of JSON, in bytes.
const REPLY_LEN_MAX: u64 = 64 * 1024 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to say that it wants a body; it is sent all the same then.
const CONTINUE: Duration = Duration::from_secs(5);

/// A server, and the key to it.
pub struct Client {
    agent: Agent,
    base: String,
    key: String,
    options: Options,
    upload_max: Option<u64>,
}

/// What is sent.
pub enum Payload<'a> {
    /// Nothing.
    Empty,
    /// JSON.
    Json(String),
    /// Bytes of this type.
    Bytes(&'a mut dyn Read, &'a str),
}

impl Client {
    /// The server at `url`, and the key to it.
    pub fn new(url: &str, key: String) -> Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::invalid(format!("'{url}' is no http:// or https:// URL")));
        }
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_await_100(Some(CONTINUE))
            .tls_config(tls)
            .build()
            .into();
        let base = url.trim_end_matches('/').to_owned();
        Ok(Client { agent, base, key, options: Options::default(), upload_max: None })
    }

    /// Opens so what it fetches, and waits as these options say while others write there.
    pub fn opening(self, options: Options) -> Self {
        Client { options, ..self }
    }

    /// Sends no more bytes of bodies a second than this.
    pub fn sending(self, upload_max: Option<u64>) -> Self {
        Client { upload_max, ..self }
    }

    /// How it opens what it fetches.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Tries until others do not write any more, as long as the options say.
    pub fn patiently<T>(&self, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        db::patiently(self.options.lock_wait.as_ref(), attempt)
    }

    /// The server's URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; a reply that is a problem is an error. What can be sent again is, while others
    /// write.
    fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> Result<Response<Body>> {
        let json = match payload {
            Payload::Bytes(..) => return self.send_once(method, path, headers, payload),
            Payload::Json(text) => Some(text),
            Payload::Empty => None,
        };
        self.patiently(|| {
            let payload = json.clone().map_or(Payload::Empty, Payload::Json);
            self.send_once(method.clone(), path, headers, payload)
        })
    }

    fn send_once(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> Result<Response<Body>> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let kind = match &payload {
            Payload::Empty => None,
            Payload::Json(_) => Some("application/json"),
            Payload::Bytes(_, kind) => Some(*kind),
        };
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        if matches!(payload, Payload::Bytes(..)) {
            // Whoever is refused hears it before anything is sent, and not a broken connection.
            request = request.header("expect", "100-continue");
        }
        let bad = |error: ureq::http::Error| Error::invalid(error.to_string());
        let waiting = Waiting::begin();
        let reply = match payload {
            Payload::Empty => self.agent.run(request.body(()).map_err(bad)?),
            Payload::Json(value) => self.agent.run(request.body(value).map_err(bad)?),
            Payload::Bytes(reader, _) => {
                let mut body = Throttle::new(reader, self.upload_max);
                let body = SendBody::from_reader(&mut body);
                self.agent.run(request.body(body).map_err(bad)?)
            }
        };
        drop(waiting);
        let reply = reply.map_err(|error| self.unreachable(error))?;
        if reply.status().is_success() {
            return Ok(reply);
        }
        let status = reply.status().as_u16();
        Err(self.error_of(self.problem_of(reply, status)))
    }

    /// Makes a call without a body, and reads the reply.
    pub fn ask<E: Endpoint<Reply: DeserializeOwned>>(
        &self,
        place: &[u8],
        query: &E::Query,
    ) -> Result<E::Reply> {
        self.read(self.open::<E>(place, query, &[], Payload::Empty)?)
    }

    /// Makes a call with a body of JSON, and reads the reply.
    pub fn call<E>(&self, body: &E::Body, headers: &[(&str, String)]) -> Result<E::Reply>
    where
        E: Endpoint<Body: Serialize, Reply: DeserializeOwned>,
    {
        self.read(self.open::<E>(b"", &E::Query::default(), headers, json(body)?)?)
    }

    /// Makes a call; the reply is for whoever knows what it is.
    pub fn open<E: Endpoint>(
        &self,
        place: &[u8],
        query: &E::Query,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> Result<Response<Body>> {
        let method = match E::METHOD {
            endpoint::Method::Get => Method::GET,
            endpoint::Method::Put => Method::PUT,
            endpoint::Method::Post => Method::POST,
            endpoint::Method::Delete => Method::DELETE,
        };
        self.send(method, &endpoint::url::<E>(place, query), headers, payload)
    }

    /// Reads a reply of JSON.
    pub fn read<T: DeserializeOwned>(&self, mut reply: Response<Body>) -> Result<T> {
        let waiting = Waiting::begin();
        let body = reply.body_mut().with_config().limit(REPLY_LEN_MAX).read_to_vec();
        drop(waiting);
        let body = body.map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body).map_err(|error| {
            let base = &self.base;
            Error::invalid(format!("{base} did not reply as this program knows it: {error}"))
        })
    }

    /// Shows `each` all items of pages that follow each other, until it has seen enough.
    pub fn pages<E, P>(
        &self,
        place: &[u8],
        mut query: E::Query,
        mut each: impl FnMut(P::Item) -> Result<bool>,
    ) -> Result<()>
    where
        E: Endpoint<Query: Paged>,
        P: Pages + DeserializeOwned,
    {
        loop {
            let reply = self.open::<E>(place, &query, &[], Payload::Empty)?;
            let (items, next) = self.read::<P>(reply)?.into_items();
            for item in items {
                if !each(item)? {
                    return Ok(());
                }
            }
            match next {
                Some(next) => query.go_to(next),
                None => return Ok(()),
            }
        }
    }

    /// The problem that a server replied with, or one of a reply that is something else.
    fn problem_of(&self, reply: Response<Body>, status: u16) -> Problem {
        let said = format!("it replied with status {status}");
        let system = System { said: said.clone(), code: None, kind: None };
        let cause = Cause::Io { what: format!("asking {}", self.base), system };
        let unknown = Problem { cause, status, detail: said };
        let is_told = |problem: &Problem| !problem.cause.kind().is_empty();
        self.read(reply).ok().filter(is_told).unwrap_or(unknown)
    }

    /// The error that a problem of this server tells of.
    pub fn error_of(&self, problem: Problem) -> Error {
        let told = match problem.into_error(&self.base) {
            Ok(error) => return error,
            Err(told) => *told,
        };
        match told.cause {
            Cause::Unauthorized {} | Cause::Forbidden {} => denied(&told.detail),
            _ => Error::Io { what: self.base.clone(), source: io::Error::other(told) },
        }
    }

    fn unreachable(&self, error: ureq::Error) -> Error {
        let what = format!("asking {}", self.base);
        match error {
            ureq::Error::Io(source) => Error::Io { what, source },
            other => Error::Io { what, source: io::Error::other(other.to_string()) },
        }
    }
}

/// A body of JSON.
pub fn json(body: &impl Serialize) -> Result<Payload<'static>> {
    let text = serde_json::to_string(body).map_err(io::Error::other);
    Ok(Payload::Json(text.context(|| "making a request".into())?))
}

/// The key does not allow it.
pub fn denied(why: &str) -> Error {
    let problem = Problem { cause: Cause::Denied {}, status: 403, detail: why.into() };
    Error::Io { what: "the server refuses".into(), source: io::Error::other(problem) }
}
