//! Keys over HTTP.

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Content, Needs, Route, json_answer, page};
use crate::json;
use crate::keys::{NewKey, Rights, Scope, list as all, scope_words};
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema;
use crate::schema::{closed, object, one_of, or_null, text, text_or_null, word};

pub fn routes() -> Vec<Route> {
    let words = json!({ "type": "array", "items": text() });
    let members = [
        ("id", text()),
        ("name", text()),
        ("scopes", words),
        ("created_at", text()),
        ("expires_at", text_or_null()),
        ("revoked_at", text_or_null()),
    ];
    let key = object(&members);
    let mut with_text = members.to_vec();
    with_text.push(("key", text()));
    let scopes = json!({ "type": "array", "items": one_of(&scope_words()), "minItems": 1 });
    let time = json!({ "type": "string", "format": "date-time" });
    let new = closed(&[("name", word()), ("scopes", scopes), ("expires_at?", or_null(time))]);
    let needs = Needs::Removal(Scope::Keys);
    vec![
        Route::new(
            Method::GET,
            "/admin/keys",
            needs,
            "List the keys, without their secrets",
            |r| Box::pin(list(r)),
        )
        .answer(
            200,
            "All keys, revoked ones too",
            Content::Json(schema::page(key.clone())),
        ),
        Route::new(Method::POST, "/admin/keys", needs, "Make a key; it is shown once", |request| {
            Box::pin(create(request))
        })
        .body(Content::Json(new))
        .answer(201, "The key", Content::Json(object(&with_text))),
        Route::new(Method::DELETE, "/admin/keys/{id}", needs, "Revoke a key", |request| {
            Box::pin(revoke(request))
        })
        .answer(200, "The key, which opens nothing now", Content::Json(key)),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
}

async fn list(request: Request) -> Answer {
    let keys = request.app.blocking(|app| Ok(all(&*app.reader()?)?)).await?;
    Ok(page(keys.iter().map(json::key).collect(), None))
}

async fn create(mut request: Request) -> Answer {
    let New { name, scopes, expires_at } = request.incoming().json().await?;
    let rights = Rights::parse(scopes.iter().map(String::as_str))?;
    // Nobody gives away more than they have.
    if !request.rights.include(&rights) {
        return Err(Problem::forbidden("a key can only give scopes that it has itself"));
    }
    let expires_at = expires_at.map(|text| parse_time(&text)).transpose()?;
    // Nor for longer.
    let expires_at = match (expires_at, request.caller.expires_at) {
        (Some(wanted), Some(own)) => Some(wanted.min(own)),
        (wanted, own) => wanted.or(own),
    };
    let answer = request.app.writing(move |app| {
        let (key, text) = app.create_key(NewKey { name, rights, expires_at })?;
        let mut shown = json::key(&key);
        if let Some(object) = shown.as_object_mut() {
            object.insert("key".into(), text.into());
        }
        Ok(json_answer(StatusCode::CREATED, &shown))
    });
    answer.await
}

fn parse_time(text: &str) -> Result<i64, Problem> {
    let time: Option<Timestamp> = text.parse().ok();
    let nanoseconds = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanoseconds.ok_or_else(|| Problem::invalid(format!("expires_at '{text}' is no RFC 3339 time")))
}

async fn revoke(request: Request) -> Answer {
    let id = request.name()?;
    let by = request.rights;
    let key = request.app.writing(move |app| Ok(app.revoke_key(&id, &by)?)).await?;
    let more = "a key can only revoke keys that may do no more than it may itself";
    let key = key.ok_or_else(|| Problem::forbidden(more))?;
    Ok(json_answer(StatusCode::OK, &json::key(&key)))
}
