//! `--with PATCH` through a server: the patches lie on its database as long as the verb runs.

use std::path::{Path, PathBuf};

use aeordb::backup::{self, Input};
use aeordb::{Error, Result};
use serde_json::Value;
use ureq::http::Method;

use super::client::{Client, Payload, encoded};
use super::import::called;
use super::parse;
use crate::app::App;
use crate::exit::{About, Attempt, Subject};

/// Patches on a database. They are taken away when this is dropped.
pub struct Overlay<'c> {
    client: &'c Client,
    id: Option<String>,
}

impl<'c> Overlay<'c> {
    /// Lays patches on the database, one after another, so that history leads back through them.
    pub fn lay(app: &mut App, client: &'c Client, patches: &[PathBuf]) -> Attempt<Self> {
        let mut overlay = Overlay { client, id: None };
        if patches.is_empty() {
            return Ok(overlay);
        }
        let inputs: Vec<Input> = patches.iter().cloned().map(Input::File).collect();
        backup::look_ahead(&inputs).about(Subject::Backup)?;
        app.watched(|_, _| {
            for (patch, input) in patches.iter().zip(inputs) {
                overlay.add(patch, input).about(Subject::Backup)?;
            }
            Ok(())
        })?;
        Ok(overlay)
    }

    fn add(&mut self, patch: &Path, input: Input) -> Result<()> {
        let on = self.id.as_ref().map_or_else(String::new, |id| format!("?on={}", encoded(id)));
        let mut bytes = input.open(None)?;
        let payload = Payload::Bytes(&mut bytes, "application/vnd.aeordb");
        let url = format!("/admin/overlays{on}");
        let laid: Result<Value> = self
            .client
            .send(Method::POST, &url, &[], payload)
            .and_then(|reply| self.client.value(reply));
        let named = |error: Error| called(error, |what| what == "the input", patch);
        self.id = Some(parse::text(&laid.map_err(named)?, "id")?);
        Ok(())
    }

    /// The parameter that reads with it.
    pub fn parameter(&self) -> String {
        self.id.as_ref().map_or_else(String::new, |id| format!("&with={}", encoded(id)))
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            // If this fails it goes by itself, later.
            let url = format!("/admin/overlays/{}", encoded(id));
            let _ = self.client.send(Method::DELETE, &url, &[], Payload::Empty);
        }
    }
}
