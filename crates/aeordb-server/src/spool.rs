//! Bodies that are taken in whole before work begins on them: a file without a name holds them,
//! so that neither memory nor a thread nor the writer waits for a slow sender.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use aeordb::error::Context;
use axum::http::HeaderValue;

use crate::app::App;
use crate::body::Incoming;
use crate::digest::ContentDigest;
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
    let digest = ContentDigest::read(digest.as_ref())?;
    let mut batch = Vec::new();
    let mut ended = false;
    while batch.len() < SMALL_LEN && !ended {
        match body.next_kept().await? {
            Some(bytes) => batch.extend_from_slice(&bytes),
            None => ended = true,
        }
    }
    let _place = app.place(&app.spools, &body.caller().key, 1).await?;
    let mut state = app.blocking(|app| Ok((app.backups.spool()?, digest))).await?;
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
    let (mut file, digest) = state;
    digest.map_or(Ok(()), ContentDigest::check)?;
    file.rewind().context(what)?;
    Ok(file)
}

fn what() -> String {
    "keeping the body of a request".into()
}

/// A spool, and what is to be proved of the body.
type State = (File, Option<ContentDigest>);

fn write((mut file, mut digest): State, batch: &[u8]) -> Result<State, Problem> {
    if let Some(digest) = &mut digest {
        digest.update(batch);
    }
    file.write_all(batch).context(what)?;
    Ok((file, digest))
}
