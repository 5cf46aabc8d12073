//! Bodies that are taken in whole before work begins on them: a file without a name holds them,
//! so that neither memory nor a thread nor the writer waits for a slow sender.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use aeordb::error::Context;
use axum::http::HeaderValue;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::body::Incoming;
use crate::problem::Problem;

/// Bytes that wait for a file: whoever sends fewer, or nothing, takes nothing from others.
const SMALL_LEN: usize = 64 * 1024;
/// Bytes that are collected before they are written.
const BATCH_LEN: usize = 256 * 1024;

/// Takes a body in. `digest` is the value of `Content-Digest`: its SHA-256 must be the body's.
pub async fn take(
    app: &Arc<App>,
    mut body: Incoming,
    digest: Option<HeaderValue>,
) -> Result<File, Problem> {
    let expected = digest.map(|value| sha256_of(&value)).transpose()?.flatten();
    let mut batch = Vec::new();
    let mut ended = false;
    while batch.len() < SMALL_LEN && !ended {
        match body.next_kept().await? {
            Some(bytes) => batch.extend_from_slice(&bytes),
            None => ended = true,
        }
    }
    let _place = app.place(&app.spools, &body.caller().key, 1).await?;
    let mut state = app.blocking(|app| Ok((app.backups.spool()?, Sha256::new()))).await?;
    loop {
        while batch.len() < BATCH_LEN && !ended {
            match body.next().await? {
                Some(bytes) => batch.extend_from_slice(&bytes),
                None => ended = true,
            }
        }
        let full = std::mem::take(&mut batch);
        state = app.blocking(move |_| write(state, &full)).await?;
        if ended {
            break;
        }
    }
    let (mut file, hash) = state;
    if expected.is_some_and(|expected| expected != hash.finalize().as_slice()) {
        return Err(Problem::damaged_upload("the body does not have the SHA-256 it was sent with"));
    }
    file.rewind().context(what)?;
    Ok(file)
}

fn what() -> String {
    "keeping the body of a request".into()
}

fn write((mut file, mut hash): (File, Sha256), batch: &[u8]) -> Result<(File, Sha256), Problem> {
    hash.update(batch);
    file.write_all(batch).context(what)?;
    Ok((file, hash))
}

/// The SHA-256 of a `Content-Digest`: `sha-256=:BASE64:`. Digests that we do not know are passed
/// over.
fn sha256_of(value: &HeaderValue) -> Result<Option<Vec<u8>>, Problem> {
    let bad = || Problem::invalid("expected Content-Digest: sha-256=:BASE64:");
    for part in value.to_str().map_err(|_| bad())?.split(',') {
        let (name, digest) = part.trim().split_once('=').ok_or_else(bad)?;
        if name.eq_ignore_ascii_case("sha-256") {
            let digest = digest.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
            let digest = BASE64.decode(digest.ok_or_else(bad)?.as_bytes()).map_err(|_| bad())?;
            return Ok(Some(digest));
        }
    }
    Ok(None)
}
