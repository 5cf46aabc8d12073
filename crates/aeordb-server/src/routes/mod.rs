//! What answers the calls: the router and the check of keys are made from the table of calls, as the
//! description and the client are.

mod admin;
mod backups;
mod download;
mod files;
mod import;
mod jobs;
mod keys;
mod listing;
mod meta;
mod overlays;
mod streams;
mod upload;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use aeordb::object::Path;
use aeordb_api::Page;
use aeordb_api::endpoint::{Description, Endpoint, Needs};
use aeordb_api::parameter::{Limit, Query};
use aeordb_api::table::{PutFiles, ReadFiles};
use axum::Router;
use axum::body::Body;
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Serialize;

use crate::app::App;
use crate::keys::{Rights, Scope};
use crate::log::{self, Level};
use crate::logged_body::LoggedBody;
use crate::problem::{Answer, Problem};
use crate::request::{
    Caller, Future, Pairs, Peer, Request, check_coding, check_conditions, check_framing,
    parse_query,
};

/// Reads the parameters of a request, and answers it.
type Handler = Box<dyn Fn(Request, &Pairs) -> Future + Send + Sync>;

/// A call, and what answers it.
pub struct Route {
    /// The call.
    pub call: Description,
    handler: Handler,
}

impl Route {
    /// What answers a call.
    pub fn of<E: Endpoint>(handler: fn(Request, E::Query) -> Future) -> Self {
        let read = move |request: Request, pairs: &Pairs| match E::Query::read(pairs) {
            Ok(query) => handler(request, query),
            Err(detail) => Box::pin(std::future::ready(Err(Problem::invalid(detail)))),
        };
        Route { call: Description::of::<E>(), handler: Box::new(read) }
    }

    fn is(&self, method: &Method) -> bool {
        self.call.method.name() == method.as_str()
    }
}

/// All calls, and what answers them.
pub fn table() -> Vec<Route> {
    let parts = [
        meta::routes(),
        files::routes(),
        admin::routes(),
        import::routes(),
        streams::routes(),
        overlays::routes(),
        backups::routes(),
        versions::routes(),
        jobs::routes(),
        keys::routes(),
    ];
    parts.into_iter().flatten().collect()
}

/// The router of all routes.
pub fn router(app: &Arc<App>) -> Router {
    let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in table() {
        by_path.entry(route.call.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in by_path {
        let (app, routes): (_, Arc<[Route]>) = (app.clone(), routes.into());
        let handler = move |request| answer(app.clone(), routes.clone(), request);
        // A path that ends in anything also ends in nothing: the root directory.
        if let Some(root) = path.strip_suffix("{*path}") {
            router = router.route(root, any(handler.clone()));
            router = router.route(root.trim_end_matches('/'), any(handler.clone()));
        }
        router = router.route(path, any(handler));
    }
    let app = app.clone();
    router.fallback(move |request| answer(app.clone(), Arc::from([]), request))
}

/// Marks an answer as a backup, by whatever route it leaves.
#[derive(Clone, Copy)]
pub struct Leaves;

/// Answers a request, counts and logs it.
async fn answer(app: Arc<App>, routes: Arc<[Route]>, request: axum::extract::Request) -> Response {
    let started = Instant::now();
    let client = request.extensions().get::<Peer>().map(|peer| peer.0);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (key, within, expires_at) = (String::new(), None, None);
    let mut caller = Caller { key, within, expires_at, client, method, path };
    let open = routes.iter().any(|route| route.call.needs == Needs::Nothing);
    let checked =
        check_framing(&request).and_then(|()| check_key(&app, &request, open, &mut caller));
    let (caller, answered) = match checked {
        Ok(rights) => {
            let caller = Arc::new(caller);
            let answered = handle(&app, &routes, request, caller.clone(), rights).await;
            (caller, answered)
        }
        Err(problem) => (Arc::new(caller), Err(problem)),
    };
    let status = answered.as_ref().map_or_else(Problem::status, Response::status);
    let took = started.elapsed();
    app.metrics.request(&caller.method, status, took);
    let leaves =
        answered.as_ref().is_ok_and(|answer| answer.extensions().get::<Leaves>().is_some());
    let told = is_told(&app, &routes, &caller, status, leaves);
    if told {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let result = [("status", status.as_u16().into()), ("micros", micros.into())];
        log::event("request", &[&caller.members()[..], &result].concat());
    }
    answered.into_response().map(|body| LoggedBody::body(body, caller, told))
}

/// Whether a request is logged.
fn is_told(app: &App, routes: &[Route], caller: &Caller, status: StatusCode, leaves: bool) -> bool {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) {
        // As many as there are of these, the log must not be.
        return app.level >= Level::Changes
            && caller.client.is_none_or(|client| app.refusals_told.failure(client));
    }
    let failed = !(status.is_success() || status.is_redirection());
    let reads = matches!(caller.method, Method::GET | Method::HEAD);
    // What leaves the server is told as well.
    let needs = Needs::Scope(Scope::Export);
    let exports = || routes.iter().any(|route| route.call.needs == needs);
    match app.level {
        Level::Errors => false,
        Level::Changes => failed || !reads || leaves || exports(),
        Level::Requests => true,
    }
}

async fn handle(
    app: &Arc<App>,
    routes: &[Route],
    request: axum::extract::Request,
    caller: Arc<Caller>,
    rights: Rights,
) -> Answer {
    if routes.is_empty() {
        return Err(Problem::not_found("this resource"));
    }
    let method = match request.method() {
        &Method::HEAD => &Method::GET,
        other => other,
    };
    let Some(route) = routes.iter().find(|route| route.is(method)) else {
        return Ok(method_not_allowed(routes));
    };
    let call = &route.call;
    if let Some(moved) = with_slash(call.path, request.uri()) {
        return Ok(moved);
    }
    check_rights(call.needs, &rights)?;
    if !route.is(&Method::GET) {
        check_coding(request.headers())?;
        check_conditions(request.headers(), call.conditional)?;
    }
    let pairs = parse_query(request.uri().query().unwrap_or_default(), call.query)?;
    let within = caller.within.clone();
    let mut request = Request::new(app.clone(), caller, rights, request, call.path)?;
    if let Some(within) = within {
        check_within(call, &request, &within)?;
        request.rights = rights.at_its_path();
    }
    (route.handler)(request, &pairs).await
}

/// The root directory without its slash is elsewhere: with it.
fn with_slash(path: &'static str, uri: &Uri) -> Option<Response> {
    let root = path.strip_suffix("/{*path}").filter(|root| *root == uri.path())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, format!("{root}/{query}").parse().ok()?);
    Some(response)
}

fn method_not_allowed(routes: &[Route]) -> Response {
    let mut response = Problem::method_not_allowed().into_response();
    let mut methods: Vec<&str> = routes.iter().map(|route| route.call.method.name()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// What the key of a request may do. Nothing else of the request is looked at before, and where no
/// key is needed, none is looked at.
fn check_key(
    app: &App,
    request: &axum::extract::Request,
    open: bool,
    caller: &mut Caller,
) -> Result<Rights, Problem> {
    if open {
        return Ok(Rights::default());
    }
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let text = header.and_then(|header| {
        let (scheme, text) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
    });
    let keys = app.keys();
    let now = app.service.database.clock().now();
    if let Some(key) = keys.open(text.unwrap_or_default(), now) {
        caller.key.clone_from(&key.id);
        caller.within.clone_from(&key.within);
        caller.expires_at = key.expires_at;
        return Ok(key.rights);
    }
    match caller.client.is_none_or(|address| app.refuse(address)) {
        true => Err(Problem::unauthorized()),
        false => Err(Problem::slow_down()),
    }
}

fn check_rights(needs: Needs, rights: &Rights) -> Result<(), Problem> {
    let (scope, removes) = match needs {
        Needs::Nothing | Needs::Key => return Ok(()),
        Needs::Either(one, _) if rights.has(one) => return Ok(()),
        Needs::Either(_, other) => (other, false),
        Needs::Scope(scope) => (scope, false),
        Needs::Removal(scope) => (scope, true),
    };
    if !rights.has(scope) {
        return Err(Problem::forbidden(format!("this needs the scope {}", scope.name())));
    }
    if removes && rights.append_only {
        return Err(Problem::forbidden("this key may only append"));
    }
    Ok(())
}

/// A key for one path reads and puts what is there, and nothing else: whatever else a call may show or do,
/// now or later, is for others.
fn check_within(call: &Description, request: &Request, within: &Path) -> Result<(), Problem> {
    let is_open = call.needs == Needs::Nothing;
    let is_of_files = call.path == ReadFiles::PATH
        && [ReadFiles::METHOD, PutFiles::METHOD].contains(&call.method);
    let is_there = || request.path().is_ok_and(|(path, _)| within.contains(&path));
    match is_open || (is_of_files && is_there()) {
        true => Ok(()),
        false => Err(Problem::forbidden(format!("this key reads and puts at {within} alone"))),
    }
}

/// An answer of JSON.
pub fn json_answer(status: StatusCode, value: &impl Serialize) -> Response {
    let text = match serde_json::to_vec(value) {
        Ok(text) => text,
        Err(error) => return Problem::internal(&error.to_string()).into_response(),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A page of items, and where the next one starts.
pub fn page<T: Serialize>(items: Vec<T>, next: Option<String>) -> Response {
    json_answer(StatusCode::OK, &Page { items, next })
}

/// How many items a page may have.
pub fn items_max(limit: Option<Limit>, default: usize) -> usize {
    limit.and_then(|limit| usize::try_from(limit.0).ok()).unwrap_or(default)
}

/// An answer without content.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// True while the server is to stop.
pub fn is_stopping(app: &App) -> bool {
    app.stopping.load(Relaxed)
}
