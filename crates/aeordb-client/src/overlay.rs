//! Patches that lie on a server's database as long as somebody reads with them.

use std::path::{Path, PathBuf};

use aeordb::backup::{self, Input};
use aeordb::{Error, Result};
use aeordb_api::endpoint::BACKUP;
use aeordb_api::parameter::Token;
use aeordb_api::server::Overlay as Laid;
use aeordb_api::table::{LayOverlay, NoQuery, OverlayQuery, RemoveOverlay};

use crate::import::called;
use crate::{Client, Payload};

/// Patches on a database. They are taken away when this is dropped.
pub struct Overlay<'c> {
    client: &'c Client,
    id: Option<Token>,
}

impl<'c> Overlay<'c> {
    /// Lays patches on the database, one after another, so that history leads back through them.
    pub fn lay(client: &'c Client, patches: &[PathBuf]) -> Result<Self> {
        let mut overlay = Overlay { client, id: None };
        let inputs: Vec<Input> = patches.iter().cloned().map(Input::File).collect();
        if !inputs.is_empty() {
            backup::look_ahead(&inputs)?;
        }
        for (patch, input) in patches.iter().zip(inputs) {
            overlay.add(patch, input)?;
        }
        Ok(overlay)
    }

    fn add(&mut self, patch: &Path, input: Input) -> Result<()> {
        let query = OverlayQuery { on: self.id.clone() };
        let mut bytes = input.open(None)?;
        let payload = Payload::Bytes(&mut bytes, BACKUP);
        let laid = self.client.open::<LayOverlay>(b"", &query, &[], payload);
        let laid: Result<Laid> = laid.and_then(|reply| self.client.read(reply));
        let named = |error: Error| called(error, |what| what == "the input", patch);
        self.id = Some(Token(laid.map_err(named)?.id));
        Ok(())
    }

    /// The parameter that reads with it.
    pub fn parameter(&self) -> Option<&Token> {
        self.id.as_ref()
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        if let Some(Token(id)) = &self.id {
            // If this fails it goes by itself, later.
            let (place, query) = (id.as_bytes(), NoQuery {});
            let _ = self.client.open::<RemoveOverlay>(place, &query, &[], Payload::Empty);
        }
    }
}
