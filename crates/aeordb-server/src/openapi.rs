//! The description of the interface, OpenAPI 3.1, made from the table of routes.

use std::sync::OnceLock;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::request::{ARCHIVES, Kind, LIMIT_MAX, SIDES, SWITCH, kind};
use crate::routes::{Content, Needs, Route, table};
use crate::schema::{backup, object, one_of, path, text, word};

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(make)
}

fn make() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table() {
        let path = route.path.replace("{*", "{");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(route.method.as_str().to_lowercase(), operation(&route));
        }
    }
    let problem = object(&[
        ("type", text()),
        ("title", text()),
        ("status", json!({ "type": "integer" })),
        ("detail", text()),
    ]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "aeordb",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A content-addressed, versioned file database. A version is named by \
                a snapshot, a hash or its beginning, HEAD or HEAD~n.",
        },
        "servers": [{ "url": "/", "description": "The server that gave this document" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": problem },
        },
        "security": [{ "key": [] }],
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters = Vec::new();
    if let Some((_, rest)) = route.path.split_once('{') {
        let name = rest.trim_start_matches('*').trim_end_matches('}');
        let schema = match route.path {
            "/files/{*path}" => path(""),
            "/admin/backups/{name}" => backup(),
            _ => word(),
        };
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    for (name, meaning) in route.query {
        parameters.push(json!({
            "name": name, "in": "query", "description": meaning,
            "required": route.required == Some(name), "schema": parameter(name),
        }));
    }
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "description": needs(route.needs),
        "parameters": parameters,
        "responses": responses(route),
    });
    if let Some(members) = operation.as_object_mut() {
        if !route.body.is_empty() {
            let content = media(route.body.iter());
            let required = route.body.iter().any(must_be_there);
            let body = json!({ "required": required, "content": content });
            members.insert("requestBody".into(), body);
        }
        if route.needs == Needs::Nothing {
            members.insert("security".into(), json!([]));
        }
    }
    operation
}

/// True for JSON that has members it cannot do without. A file may be empty.
fn must_be_there(content: &Content) -> bool {
    match content {
        Content::Json(schema) => {
            schema["required"].as_array().is_some_and(|names| !names.is_empty())
        }
        Content::Bytes(_) | Content::None => false,
    }
}

/// What values a parameter takes.
fn parameter(name: &str) -> Value {
    match kind(name) {
        Kind::Switch => one_of(&SWITCH),
        Kind::Limit => json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
        Kind::Archive => one_of(&ARCHIVES),
        Kind::Path => path("/?"),
        Kind::Merge => one_of(&[&SWITCH[..], &SIDES].concat()),
        Kind::Backup => backup(),
        Kind::Version | Kind::Token => word(),
        Kind::Bytes | Kind::Text => text(),
    }
}

fn operation_id(route: &Route) -> String {
    let words: Vec<&str> = route.path.split(['/', '{', '}', '*', '.']).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{}_{}", route.method.as_str().to_lowercase(), words.join("_"))
}

fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "Needs no key.".into(),
        Needs::Key => "Needs any key.".into(),
        Needs::Scope(scope) => format!("Needs the scope {}.", scope.name()),
        Needs::Either(one, other) => {
            format!("Needs the scope {} or {}.", one.name(), other.name())
        }
        Needs::Removal(scope) => {
            format!("Needs the scope {}, of a key that is not append-only.", scope.name())
        }
    }
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, what, content) in &route.answers {
        let answer =
            responses.entry(status.to_string()).or_insert_with(|| json!({ "description": what }));
        let content = media(std::iter::once(content));
        match (answer.get_mut("content").and_then(Value::as_object_mut), content.is_empty()) {
            (_, true) => {}
            (Some(kinds), false) => kinds.extend(content),
            (None, false) => {
                if let Some(answer) = answer.as_object_mut() {
                    answer.insert("content".into(), content.into());
                }
            }
        }
    }
    for (status, what) in refusals(route) {
        responses.insert(status.to_string(), problem(what));
    }
    responses.insert("default".into(), problem("A problem"));
    responses.into()
}

fn problem(what: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": what, "content": { "application/problem+json": { "schema": schema } } })
}

/// The statuses of what a client asked for wrongly.
fn refusals(route: &Route) -> Vec<(u16, &'static str)> {
    let changes = route.method != Method::GET;
    let all = [
        (true, 400, "It cannot be meant"),
        (route.needs != Needs::Nothing, 401, "No key, or one that opens nothing"),
        (!matches!(route.needs, Needs::Nothing | Needs::Key), 403, "The key does not allow it"),
        (true, 404, "Something that it names is not there"),
        (!route.body.is_empty(), 408, "The body came too slowly"),
        (changes, 409, "It is in conflict with what is there"),
        (true, 410, "A version was collected while it was read"),
        (true, 412, "Something is not what was expected"),
        (!route.body.is_empty(), 413, "It is larger than allowed"),
        (changes, 415, "The body is in a form that is not taken"),
        (!changes, 416, "The range starts beyond the end"),
        (!route.body.is_empty(), 422, "The body is damaged, or made by a newer program"),
        (changes, 423, "Another process writes to the database"),
        (true, 429, "Too many failures from this address"),
    ];
    all.into_iter().filter(|(has, ..)| *has).map(|(_, status, what)| (status, what)).collect()
}

fn media<'a>(contents: impl Iterator<Item = &'a Content>) -> Map<String, Value> {
    let mut kinds = Map::new();
    for content in contents {
        match content {
            Content::None => {}
            Content::Json(schema) => {
                kinds.insert("application/json".into(), json!({ "schema": schema }));
            }
            Content::Bytes(kind) => {
                // Programs that are made from this document know no types of ours.
                let known = ["application/octet-stream"].into_iter();
                let known = known.filter(|_| !kind.starts_with("text/"));
                for kind in known.chain([*kind]) {
                    kinds.insert(kind.into(), json!({ "schema": {} }));
                }
            }
        }
    }
    kinds
}
