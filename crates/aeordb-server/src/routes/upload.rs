//! What is put: files, directories, archives and trees.

use aeordb::files::MaxDelete;
use aeordb::internals::limits::CONTENT_TYPE_LEN_MAX;
use aeordb_api::Name;
use aeordb_api::files::{Edit as EditReply, StoredDirectory, StoredFile, StoredTree};
use aeordb_api::parameter::{Archive, Deletions};
use aeordb_api::table::PutQuery;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};

use super::files::{insert_version, tag_of_content};
use super::json_answer;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::service::Place;
use crate::service::archive::{Bound, Unpack};
use crate::service::pieces::Pieces;
use crate::service::upload::Put;

pub async fn put(request: Request, query: PutQuery) -> Answer {
    let place = request.place()?;
    if query.snapshot.is_some() && query.archive != Some(Archive::Aeordb) {
        return Err(Problem::invalid("?snapshot= goes with ?archive=aeordb"));
    }
    match query.archive {
        Some(Archive::Tar) if place.slash => unpack(request, query, place).await,
        Some(Archive::Aeordb) => put_tree(request, query, place).await,
        None if place.slash => make_directory(request, place).await,
        None => put_file(request, place).await,
        Some(Archive::Tar) => Err(Problem::invalid(
            "?archive=tar goes with a path that ends in /; curl -T FILE adds the file's name \
             to the path, -T - and --data-binary @FILE do not",
        )),
    }
}

async fn put_file(mut request: Request, Place { path, .. }: Place) -> Answer {
    let content_type = content_type(&request.headers)?;
    let (asker, announced) = (request.asker(), request.announced());
    let shown = Name::new(path.as_bytes());
    let put = Put { path, content_type, conditions: request.conditions() };
    let sent = request.incoming();
    let stored = request.app.service.put(&asker, put, announced, sent).await?;
    let version = stored.report.version;
    let reply = StoredFile {
        path: shown.text,
        path_b64: shown.b64,
        size: stored.size,
        content_hash: stored.content_hash.into(),
        version: version.into(),
        content_type: stored.content_type,
    };
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_answer(status, &reply);
    response.headers_mut().insert(ETAG, tag_of_content(&stored.content_hash));
    insert_version(response.headers_mut(), &version);
    Ok(response)
}

/// The type that a sender means: what forms and tools send of themselves says nothing.
fn content_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::invalid("Content-Type is not ASCII"))?;
    if text.len() > CONTENT_TYPE_LEN_MAX {
        return Err(Problem::invalid(format!(
            "Content-Type has {} bytes, the limit is {CONTENT_TYPE_LEN_MAX}",
            text.len()
        )));
    }
    let told = !text.is_empty() && text != "application/x-www-form-urlencoded";
    Ok(told.then(|| text.to_owned()))
}

async fn make_directory(mut request: Request, Place { path, .. }: Place) -> Answer {
    let conditions = request.conditions();
    if request.incoming().next().await?.is_some() {
        return Err(Problem::invalid("a path that ends in / is a directory: it takes no body"));
    }
    let shown = path.clone();
    let (created, report) = request.app.service.make_directory(path, conditions).await?;
    let stored = StoredDirectory::new(shown.as_bytes(), report.version.into());
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_answer(status, &stored);
    insert_version(response.headers_mut(), &report.version);
    Ok(response)
}

/// How much may be taken away.
fn bound(query: &PutQuery) -> Bound {
    let max_delete = match query.max_delete {
        None => MaxDelete::Usual,
        Some(Deletions::Files(files)) => MaxDelete::Files(files),
        Some(Deletions::Percent(percent)) => MaxDelete::Percent(percent),
    };
    Bound { max_delete, allow_empty: query.allow_empty }
}

/// Unpacks a tar archive, as one commit.
async fn unpack(mut request: Request, query: PutQuery, Place { path, .. }: Place) -> Answer {
    let (asker, announced) = (request.asker(), request.announced());
    let (mirror, bound, conditions) = (query.mirror, bound(&query), request.conditions());
    let wanted = Unpack { path, mirror, bound, conditions };
    let sent = request.incoming();
    let report = request.app.service.unpack(&asker, wanted, announced, sent).await?;
    Ok(json_answer(StatusCode::OK, &EditReply::from(&report)))
}

/// Puts a tree that came as a patch on what is there.
async fn put_tree(mut request: Request, query: PutQuery, Place { path, .. }: Place) -> Answer {
    if [IF_MATCH, IF_NONE_MATCH].iter().any(|name| request.headers.contains_key(name)) {
        let detail = "a patch says itself what must be there: no If-Match, no If-None-Match";
        return Err(Problem::invalid(detail));
    }
    let (asker, bound) = (request.asker(), bound(&query));
    let metadata = query.metadata.unwrap_or_default().0;
    let name = query.snapshot.map(|name| (name.0, metadata));
    let sent = request.incoming();
    let report = request.app.service.put_tree(&asker, path, bound, name, sent).await?;
    Ok(json_answer(StatusCode::OK, &StoredTree::from(&report)))
}
