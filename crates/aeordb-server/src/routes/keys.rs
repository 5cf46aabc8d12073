//! Keys over HTTP.

use aeordb_api::keys::{CreatedKey, NewKey};
use aeordb_api::table::{CreateKey, ListKeys, RevokeKey};
use axum::http::StatusCode;

use super::{Route, json_answer, page};
use crate::keys::{Key, NewKey as Wanted, Rights, list as all, within};
use crate::problem::{Answer, Problem};
use crate::request::Request;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ListKeys>(|request, _| Box::pin(list(request))),
        Route::of::<CreateKey>(|request, _| Box::pin(create(request))),
        Route::of::<RevokeKey>(|request, _| Box::pin(revoke(request))),
    ]
}

async fn list(request: Request) -> Answer {
    let keys = request.app.service.blocking(|service| Ok(all(&*service.reader()?)?)).await?;
    Ok(page(keys.iter().map(Key::shown).collect(), None))
}

async fn create(mut request: Request) -> Answer {
    let new: NewKey = request.incoming().json().await?;
    let within = within(&new)?;
    let NewKey { name, scopes, expires_at, .. } = new;
    let rights = Rights::parse(scopes.iter().map(String::as_str))?;
    // Nobody gives away more than they have.
    if !request.rights.include(&rights) {
        return Err(Problem::forbidden("a key can only give scopes that it has itself"));
    }
    // Nor for longer.
    let expires_at = match (expires_at.map(|time| time.0), request.caller.expires_at) {
        (Some(wanted), Some(own)) => Some(wanted.min(own)),
        (wanted, own) => wanted.or(own),
    };
    let app = request.app.clone();
    let answer = request.app.service.writing(move |_| {
        let (key, text) = app.create_key(Wanted { name, rights, within, expires_at })?;
        let shown = CreatedKey { of: key.shown(), key: text };
        Ok(json_answer(StatusCode::CREATED, &shown))
    });
    answer.await
}

async fn revoke(request: Request) -> Answer {
    let id = request.name()?;
    let by = request.rights;
    let app = request.app.clone();
    let revoked = request.app.service.writing(move |_| Ok(app.revoke_key(&id, &by)?)).await?;
    let more = "a key can only revoke keys that may do no more than it may itself";
    let key = revoked.ok_or_else(|| Problem::forbidden(more))?;
    Ok(json_answer(StatusCode::OK, &key.shown()))
}
