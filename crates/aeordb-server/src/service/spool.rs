//! Bodies that are taken in whole before work begins on them: a file without a name holds them,
//! so that neither memory nor a thread nor the writer waits for a slow sender.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use aeordb::error::Context;

use super::pieces::Pieces;
use super::problem::Problem;
use super::{Asker, Service};

/// Bytes that wait for a file: whoever sends fewer, or nothing, takes nothing from others.
const SMALL_LEN: usize = 64 * 1024;
/// Bytes that are collected before they are written.
const BATCH_LEN: usize = 256 * 1024;

impl Service {
    /// Takes in all that `asker` sends, from its start.
    pub async fn spool(
        self: &Arc<Self>,
        asker: &Asker,
        mut sent: impl Pieces,
    ) -> Result<File, Problem> {
        let mut batch = Vec::new();
        let mut ended = false;
        while batch.len() < SMALL_LEN && !ended {
            match sent.next_kept().await? {
                Some(bytes) => batch.extend_from_slice(&bytes),
                None => ended = true,
            }
        }
        let _place = self.spools.take(&asker.key, 1).await?;
        let mut file = self.blocking(|service| Ok(service.backups.spool()?)).await?;
        loop {
            while batch.len() < BATCH_LEN && !ended {
                match sent.next().await? {
                    Some(bytes) => batch.extend_from_slice(&bytes),
                    None => ended = true,
                }
            }
            let full = std::mem::take(&mut batch);
            file = self
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
}

fn what() -> String {
    "keeping the body of a request".into()
}
