//! The routes, each once: the router, the check of keys and the OpenAPI document are all made
//! from this table.

mod admin;
mod archive;
mod backups;
mod batch;
mod download;
mod files;
mod graft;
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

use axum::Router;
use axum::body::Body;
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};

use crate::app::App;
use crate::keys::{Rights, Scope};
use crate::log::{self, Level};
use crate::problem::{Answer, Problem};
use crate::request::{
    Caller, Future, Peer, Request, check_coding, check_conditions, check_framing,
};
use crate::traced::Traced;

/// What a key needs for a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// No key at all.
    Nothing,
    /// Any key that is valid.
    Key,
    /// A key with this scope.
    Scope(Scope),
    /// A key with one of these scopes.
    Either(Scope, Scope),
    /// A key with this scope that is not restricted to appending.
    Removal(Scope),
}

/// What a body or an answer consists of.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    None,
    /// JSON of this schema.
    Json(Value),
    /// Bytes of this type.
    Bytes(&'static str),
}

/// One route.
pub struct Route {
    /// The method; GET answers HEAD too.
    pub method: Method,
    /// The path; what varies is in braces.
    pub path: &'static str,
    /// What a key needs.
    pub needs: Needs,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Parameters and what they mean.
    pub query: &'static [(&'static str, &'static str)],
    /// The parameter that must be there.
    pub required: Option<&'static str>,
    /// The bodies that it takes.
    pub body: Vec<Content>,
    /// The answers of success.
    pub answers: Vec<(u16, &'static str, Content)>,
    /// True if `If-Match` and `If-None-Match` are looked at; otherwise a change with them is
    /// refused.
    conditional: bool,
    handler: fn(Request) -> Future,
}

impl Route {
    /// A route.
    pub fn new(
        method: Method,
        path: &'static str,
        needs: Needs,
        summary: &'static str,
        handler: fn(Request) -> Future,
    ) -> Self {
        let (query, body, answers): (&[(&str, &str)], _, _) = (&[], Vec::new(), Vec::new());
        let (required, conditional) = (None, false);
        Route { method, path, needs, summary, query, required, body, answers, conditional, handler }
    }

    /// With a look at `If-Match` and `If-None-Match`.
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// With these parameters.
    pub fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    /// Not without this parameter.
    pub fn required(mut self, name: &'static str) -> Self {
        self.required = Some(name);
        self
    }

    /// With this body, or one of these.
    pub fn body(mut self, content: Content) -> Self {
        self.body.push(content);
        self
    }

    /// With this answer.
    pub fn answer(mut self, status: u16, what: &'static str, content: Content) -> Self {
        self.answers.push((status, what, content));
        self
    }
}

/// All routes.
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
        by_path.entry(route.path).or_default().push(route);
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
    let mut caller = Caller { key: String::new(), expires_at: None, client, method, path };
    let open = routes.iter().any(|route| route.needs == Needs::Nothing);
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
    answered.into_response().map(|body| Traced::body(body, caller, told))
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
    // What leaves the house is told as well.
    let exports = || routes.iter().any(|route| route.needs == Needs::Scope(Scope::Export));
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
    let Some(route) = routes.iter().find(|route| route.method == *method) else {
        return Ok(method_not_allowed(routes));
    };
    if let Some(moved) = with_slash(route, request.uri()) {
        return Ok(moved);
    }
    check_rights(route.needs, &rights)?;
    if route.method != Method::GET {
        check_coding(request.headers())?;
        check_conditions(request.headers(), route.conditional)?;
    }
    let request = Request::new(app.clone(), caller, rights, request, route.path, route.query)?;
    (route.handler)(request).await
}

/// The root directory without its slash is elsewhere: with it.
fn with_slash(route: &Route, uri: &Uri) -> Option<Response> {
    let root = route.path.strip_suffix("/{*path}").filter(|root| *root == uri.path())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, format!("{root}/{query}").parse().ok()?);
    Some(response)
}

fn method_not_allowed(routes: &[Route]) -> Response {
    let mut response = Problem::method_not_allowed().into_response();
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
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
    let now = app.database.clock().now();
    if let Some(key) = keys.open(text.unwrap_or_default(), now) {
        caller.key.clone_from(&key.id);
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

/// An answer of JSON.
pub fn json_answer(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A page of items, and where the next one starts.
pub fn page(items: Vec<Value>, next: Option<String>) -> Response {
    json_answer(StatusCode::OK, &json!({ "items": items, "next": next }))
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
