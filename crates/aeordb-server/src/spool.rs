//! Bodies that are taken in whole before work begins on them: a file without a name holds them,
//! so that neither memory nor a thread nor the writer waits for a slow sender.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use aeordb::error::Context;

use crate::app::App;
use crate::body::Incoming;
use crate::problem::Problem;

/// Bytes that wait for a file: whoever sends fewer, or nothing, takes nothing from others.
const SMALL_LEN: usize = 64 * 1024;
/// Bytes that are collected before they are written.
const BATCH_LEN: usize = 256 * 1024;

/// Takes a body in.
pub async fn take(app: &Arc<App>, mut body: Incoming) -> Result<File, Problem> {
    let mut batch = Vec::new();
    let mut ended = false;
    while batch.len() < SMALL_LEN && !ended {
        match body.next_kept().await? {
            Some(bytes) => batch.extend_from_slice(&bytes),
            None => ended = true,
        }
    }
    let _place = app.place(&app.spools, &body.caller().key, 1).await?;
    let mut file = app.blocking(|app| Ok(app.backups.spool()?)).await?;
    loop {
        while batch.len() < BATCH_LEN && !ended {
            match body.next().await? {
                Some(bytes) => batch.extend_from_slice(&bytes),
                None => ended = true,
            }
        }
        let full = std::mem::take(&mut batch);
        file = app
            .blocking(move |_| {
                file.write_all(&full).context(what)?;
                Ok(file)
            })
            .await?;
        if ended {
            break;
        }
    }
    file.rewind().context(what)?;
    Ok(file)
}

fn what() -> String {
    "keeping the body of a request".into()
}
