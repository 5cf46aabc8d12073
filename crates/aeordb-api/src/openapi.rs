//! The description of the interface, OpenAPI 3.1, made from the table of calls.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::Problem;
use crate::endpoint::{BACKUP, Content, Description, Method, Needs, OCTETS};
use crate::parameter::Described;
use crate::table::table;
use crate::value::{BACKUP_PATTERN, PATH_PATTERN};

/// What makes the schemas of one direction: what is sent may leave out what a reply always has.
struct Schemas {
    of_bodies: SchemaGenerator,
    of_replies: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Schemas {
            of_bodies: settings().for_deserialize().into_generator(),
            of_replies: settings().for_serialize().into_generator(),
        }
    }

    /// All that have a name, by it.
    fn named(mut self) -> Map<String, Value> {
        let mut named = self.of_replies.take_definitions(true);
        named.extend(self.of_bodies.take_definitions(true));
        named.sort_keys();
        named
    }
}

/// The document, of a server of this version.
pub fn document(version: &str) -> Value {
    let mut schemas = Schemas::new();
    schemas.of_replies.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for call in table() {
        let path = call.path.replace("{*", "{");
        let operation = operation(&call, &mut schemas);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(call.method.name().to_lowercase(), operation);
        }
    }
    let named = schemas.named();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "aeordb",
            "version": version,
            "description": "A content-addressed, versioned file database. A version is named by \
                a snapshot, a hash or its beginning, HEAD or HEAD~n.",
        },
        "servers": [{ "url": "/", "description": "The server that gave this document" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": named,
        },
        "security": [{ "key": [] }],
    })
}

fn operation(call: &Description, schemas: &mut Schemas) -> Value {
    let mut parameters = Vec::new();
    if let Some((_, rest)) = call.path.split_once('{') {
        let name = rest.trim_start_matches('*').trim_end_matches('}');
        let schema = place(call.path);
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    for Described { name, meaning, required, schema } in call.query {
        parameters.push(json!({
            "name": name, "in": "query", "description": meaning.trim_ascii_start(),
            "required": required, "schema": schema(),
        }));
    }
    let mut operation = json!({
        "summary": call.summary,
        "operationId": operation_id(call),
        "description": needs(call.needs),
        "parameters": parameters,
        "responses": responses(call, schemas),
    });
    if let Some(members) = operation.as_object_mut() {
        if !call.bodies.is_empty() {
            let mut content = media(&call.bodies, &mut schemas.of_bodies);
            let required = content.values().any(|kind| must_be_there(kind, &mut schemas.of_bodies));
            // Programs that are made from this document are made with warnings, or without the call,
            // where a body may be of a type that they do not know.
            let ours = content.remove(BACKUP).is_some();
            let mut body = json!({ "required": required, "content": content });
            if ours {
                let also = format!("Bytes may also be sent as {BACKUP}");
                body["description"] = also.into();
            }
            members.insert("requestBody".into(), body);
        }
        if call.needs == Needs::Nothing {
            members.insert("security".into(), json!([]));
        }
    }
    operation
}

/// What varies of a path.
fn place(path: &str) -> Value {
    match path {
        "/files/{*path}" => {
            // The slash of the root stands before it already.
            let pattern = PATH_PATTERN.replacen("^/?", "^", 1);
            json!({ "type": "string", "minLength": 1, "pattern": pattern })
        }
        "/admin/backups/{name}" => json!({ "type": "string", "pattern": BACKUP_PATTERN }),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}

/// True for JSON that has members it cannot do without. A file may be empty.
fn must_be_there(kind: &Value, schemas: &mut SchemaGenerator) -> bool {
    let name = kind["schema"]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    let schema = name.and_then(|name| schemas.definitions().get(name));
    let needed = schema.and_then(|schema| schema["required"].as_array());
    needed.is_some_and(|names| !names.is_empty())
}

fn operation_id(call: &Description) -> String {
    let words: Vec<&str> = call.path.split(['/', '{', '}', '*', '.']).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{}_{}", call.method.name().to_lowercase(), words.join("_"))
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

fn responses(call: &Description, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for answer in &call.answers {
        let shown = responses
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({ "description": answer.what }));
        let content = media(&[answer.content], &mut schemas.of_replies);
        match (shown.get_mut("content").and_then(Value::as_object_mut), content.is_empty()) {
            (_, true) => {}
            (Some(kinds), false) => kinds.extend(content),
            (None, false) => {
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("content".into(), content.into());
                }
            }
        }
    }
    for (status, what) in refusals(call) {
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
fn refusals(call: &Description) -> Vec<(u16, &'static str)> {
    let changes = call.method != Method::Get;
    let takes = !call.bodies.is_empty();
    let all = [
        (true, 400, "It cannot be meant"),
        (call.needs != Needs::Nothing, 401, "No key, or one that opens nothing"),
        (!matches!(call.needs, Needs::Nothing | Needs::Key), 403, "The key does not allow it"),
        (true, 404, "Something that it names is not there"),
        (takes, 408, "The body came too slowly"),
        (changes, 409, "It is in conflict with what is there"),
        (true, 410, "A version was collected while it was read"),
        (true, 412, "Something is not what was expected"),
        (takes, 413, "It is larger than allowed"),
        (changes, 415, "The body is in a form that is not taken"),
        (!changes, 416, "The range starts beyond the end"),
        (takes, 422, "The body is damaged, or made by a newer program"),
        (changes, 423, "Another process writes to the database"),
        (true, 429, "Too many failures from this address"),
    ];
    all.into_iter().filter(|(has, ..)| *has).map(|(_, status, what)| (status, what)).collect()
}

fn media(contents: &[Content], schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let mut kinds = Map::new();
    for content in contents {
        match content {
            Content::None => {}
            Content::Json(schema) => {
                kinds.insert("application/json".into(), json!({ "schema": schema(schemas) }));
            }
            Content::Bytes(kind) => {
                // Programs that are made from this document know no types of ours.
                let known = [OCTETS].into_iter().filter(|_| !kind.starts_with("text/"));
                for kind in known.chain([*kind]) {
                    kinds.insert(kind.into(), json!({ "schema": {} }));
                }
            }
        }
    }
    kinds
}
