//! Pieces of JSON schemas, as the OpenAPI document shows them.

use serde_json::{Map, Value, json};

/// An object with these members; those whose name ends in `?` may be missing.
pub fn object(members: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in members {
        match name.strip_suffix('?') {
            Some(name) => drop(properties.insert(name.into(), schema.clone())),
            None => {
                properties.insert((*name).into(), schema.clone());
                required.push(*name);
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// An object that a request carries: it has no other members.
pub fn closed(members: &[(&str, Value)]) -> Value {
    let mut schema = object(members);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("additionalProperties".into(), false.into());
    }
    schema
}

/// Text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

/// Text that says something: a name, or what names a version.
pub fn word() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A path of the database. `first` is what may stand before it.
pub fn path(first: &str) -> Value {
    let name = r"(?!\.{1,2}(/|$))[^/\x00]+";
    let pattern = format!("^{first}({name}(/{name})*/?)?$");
    json!({ "type": "string", "minLength": 1, "pattern": pattern })
}

/// The name of a backup.
pub fn backup() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z_-][0-9A-Za-z._-]{0,127}$" })
}

/// One of these words.
pub fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// This, or null.
pub fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Text or null.
pub fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

/// A count.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// True or false.
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// The hash of a version or of bytes.
pub fn hash() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
}

/// Names with text.
pub fn map() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

/// A page of items.
pub fn page(item: Value) -> Value {
    object(&[("items", json!({ "type": "array", "items": item })), ("next", text_or_null())])
}

/// A file, symbolic link or directory; its name or path stands before.
pub fn item(name: &str) -> Value {
    object(&[
        (name, text()),
        ("kind", one_of(&["file", "symlink", "directory"])),
        ("size", count()),
        ("modified", text_or_null()),
        ("content_type", text_or_null()),
        ("hash", text_or_null()),
    ])
}

/// What a change of paths did.
pub fn edit() -> Value {
    object(&[
        ("version", hash()),
        ("previous", hash()),
        ("files", count()),
        ("directories", count()),
        ("bytes", count()),
    ])
}
